import type { RouterError } from '../../base/errors.ts'
import { TypeOid } from '../../catalog/type-oid.ts'
import { quotedSchema } from '../../executor/relay/quoted-schema.ts'
import { shardAt, splicePosition } from '../../executor/relay/splice-writer.ts'
import type { Splice } from '../../planner/plan.ts'
import { type LexResult, SpanType } from '../../sql/lexer.ts'
import type { FrameWriter } from '../../wire/frame-writer.ts'
import { Frontend } from '../../wire/message-codes.ts'

/** The server finds out what it is. */
const UNKNOWN_TYPE = 0
const QUOTE = 0x27
const BACKSLASH = 0x5c
const MAX_STRING_BYTES = 256
const PORTAL = 0x50

/** Of errors that the same statement, sent again as it is, would not tell better: lost, cancelled, out of something, waited too long. */
const FINAL_CLASSES: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57', '58', 'XX'])

/** The types that Postgres' parser gives to literals of a kind. */
const TYPES: ReadonlyMap<number, number> = new Map([
  [SpanType.integer, TypeOid.int4],
  [SpanType.float, TypeOid.numeric],
  [SpanType.string, UNKNOWN_TYPE],
])

/** Types of the parameters that may stand in place of the literals; undefined: some literal is of another kind. */
export function parameterTypes({ types, count }: LexResult): readonly number[] | undefined {
  const found = Array.from(types.subarray(0, count), (type) => TYPES.get(type))
  return found.every((type) => type !== undefined) ? found : undefined
}

/** Whether what stands between the quotes is the value itself, of each string. */
export function areSimple(chunk: Buffer, { types, starts, ends, count }: LexResult): boolean {
  for (let index = 0; index < count; index++) {
    if (types[index] !== SpanType.string) continue
    const end = (ends[index] ?? 0) - 1
    const start = (starts[index] ?? 0) + 1
    if (end - start > MAX_STRING_BYTES) return false
    for (let at = start; at < end; at++) {
      if (chunk[at] === QUOTE || chunk[at] === BACKSLASH) return false
    }
  }
  return true
}

/** Bind, with the literals of `chunk` as they are, Describe and Execute of its portal, Sync. Only of simple ones. Returns where Bind ends. */
export function writeRun(
  out: FrameWriter,
  name: string,
  chunk: Buffer,
  { types, starts, ends, count }: LexResult,
): number {
  const bind = out.begin(Frontend.bind)
  out.byte(0)
  out.cstring(name)
  out.int16(0)
  out.int16(count)
  for (let index = 0; index < count; index++) {
    const quotes = types[index] === SpanType.string ? 1 : 0
    const start = (starts[index] ?? 0) + quotes
    const end = (ends[index] ?? 0) - quotes
    out.int32(end - start)
    out.bytes(chunk, start, end)
  }
  out.int16(0)
  out.end(bind)
  const bindEnd = out.length
  const describe = out.begin(Frontend.describe)
  out.byte(PORTAL)
  out.byte(0)
  out.end(describe)
  const execute = out.begin(Frontend.execute)
  out.byte(0)
  out.int32(0)
  out.end(execute)
  out.empty(Frontend.sync)
  return bindEnd
}

/** Copies of the literals' values. Only of simple ones. */
export function literalValues(chunk: Buffer, { types, starts, ends, count }: LexResult): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const quotes = types[index] === SpanType.string ? 1 : 0
    const start = (starts[index] ?? 0) + quotes
    return Buffer.from(chunk.subarray(start, (ends[index] ?? 0) - quotes))
  })
}

/** $1, $2 … in place of the literals, the shard's schema in the splices. */
export function parameterized(
  text: Buffer,
  literals: LexResult,
  shardIndex?: number,
  splices: readonly Splice[] = [],
): Buffer {
  const changes: { at: number; end: number; parts: readonly Buffer[] }[] = []
  for (let index = 0; index < literals.count; index++) {
    const [at, end] = [literals.starts[index] ?? 0, literals.ends[index] ?? 0]
    // whatever stands beside a number may stand beside a blank
    changes.push({ at, end, parts: [Buffer.from(` $${index + 1} `)] })
  }
  for (const splice of shardIndex === undefined ? [] : splices) {
    const at = splicePosition(splice, literals, 0)
    const schema = quotedSchema(shardAt(splice, shardIndex ?? 0))
    changes.push({ at, end: at + splice.length, parts: [schema, splice.suffix] })
  }
  changes.sort((a, b) => a.at - b.at)
  const pieces: Buffer[] = []
  let from = 0
  for (const { at, end, parts } of changes) {
    pieces.push(text.subarray(from, at), ...parts)
    from = end
  }
  pieces.push(text.subarray(from))
  return Buffer.concat(pieces)
}

/** Whether the Query itself is to be sent after this error of what ran in its place. */
export function tellsLess(error: RouterError, hasAnswered: boolean): boolean {
  return !hasAnswered && !FINAL_CLASSES.has(error.sqlState.slice(0, 2))
}
