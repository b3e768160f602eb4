import type { KeyValue } from '../catalog/key-value.ts'
import type { KeySource } from '../planner/plan.ts'
import { LexResult, lexStatement } from '../sql/lexer.ts'
import { literalText } from '../sql/literal-value.ts'
import { formatOf } from './bound-parameters.ts'
import type { Parameters } from './ports.ts'
import type { KeyReader } from './route.ts'

const NOTHING = Buffer.alloc(0)
const NO_LITERALS = new LexResult(0)
const NO_PARAMETERS: Parameters = { types: [], formats: [], values: [] }

/** Values as they stand in a Bind message. session's BindGroup is one. */
export interface ValueSpans {
  readonly valueCount: number
  /** Offsets into the message's chunk; the end of NULL is before its start. */
  valueStart(index: number): number
  valueEnd(index: number): number
  /** 0 is text, 1 is binary. */
  formatOf(chunk: Buffer, index: number): number
}

/**
 * Reads the values of the distribution column out of the text and the parameters at hand. Reused from statement to
 * statement; it must not be kept beyond the event-loop turn of its reset(), since the text may be a socket's buffer.
 */
export class StatementKeys implements KeyReader {
  #text: Buffer = Buffer.alloc(0)
  #literals: LexResult = NO_LITERALS
  #parameters: Parameters = NO_PARAMETERS
  /** Of parameters that stand in a message, instead of #parameters. */
  #spans: ValueSpans | undefined
  #chunk: Buffer = NOTHING
  #types: readonly number[] = []

  /** As reset(), with the parameters of a message in `chunk`. Nothing is allocated but for the values that are read. */
  resetBound(
    text: Buffer,
    literals: LexResult,
    types: readonly number[],
    chunk: Buffer,
    spans: ValueSpans,
  ): this {
    this.#text = text
    this.#literals = literals
    this.#types = types
    this.#chunk = chunk
    this.#spans = spans
    return this
  }

  /** `literals`: the spans of the text, as the plan counts them. */
  reset(text: Buffer, literals: LexResult, parameters: Parameters): this {
    this.#spans = undefined
    this.#text = text
    this.#literals = literals
    this.#parameters = parameters
    return this
  }

  read(source: KeySource): KeyValue | undefined {
    switch (source.kind) {
      case 'literal':
        return this.#literal(source.ordinal, source.negative)
      case 'parameter':
        return this.#parameter(source.number - 1)
      case 'constant':
        return { text: source.text }
      case 'nothing':
        return undefined
    }
  }

  #literal(ordinal: number, isNegative: boolean): KeyValue {
    const { starts, ends, types } = this.#literals
    const start = starts[ordinal] ?? 0
    const text = literalText(this.#text, start, ends[ordinal] ?? 0, types[ordinal] ?? 0)
    if (text === undefined) return UNREADABLE
    return { text: isNegative ? `-${text}` : text }
  }

  #parameter(index: number): KeyValue | undefined {
    if (this.#spans !== undefined) return this.#bound(index, this.#spans)
    const value = this.#parameters.values[index]
    if (value === undefined) return undefined
    const typeOid = this.#parameters.types[index] ?? 0
    if (formatOf(this.#parameters.formats, index) === 1) return { binary: value, typeOid }
    return { text: value.toString('utf8'), typeOid }
  }

  #bound(index: number, spans: ValueSpans): KeyValue | undefined {
    const start = spans.valueStart(index)
    const end = spans.valueEnd(index)
    if (end < start) return undefined
    const typeOid = this.#types[index] ?? 0
    if (spans.formatOf(this.#chunk, index) === 1) {
      return { binary: this.#chunk.subarray(start, end), typeOid }
    }
    return { text: this.#chunk.toString('utf8', start, end), typeOid }
  }
}

/** Of no type that we hash: hashKey() gives undefined, so nothing is concluded from it. */
const UNREADABLE: KeyValue = { text: '', typeOid: 0xffffffff }

/** Few statements have more; the spans grow. */
const FEW_SPANS = 16
/** Of texts that are run again. */
const literalsOf = new WeakMap<Buffer, LexResult>()

/**
 * For statements that run at leisure: lexes the text itself. The text must not change meanwhile; never, if it is one that is
 * run again and again (`isKept`).
 */
export function keysOf(text: Buffer, parameters: Parameters, isKept = false): StatementKeys {
  const known = isKept ? literalsOf.get(text) : undefined
  if (known !== undefined) return new StatementKeys().reset(text, known, parameters)
  const literals = new LexResult(FEW_SPANS)
  // a text the lexer leaves to the parser has no literal that a plan refers to
  if (!lexStatement(text, 0, text.length, literals)) literals.count = 0
  if (isKept) literalsOf.set(text, literals)
  return new StatementKeys().reset(text, literals, parameters)
}
