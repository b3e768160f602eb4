import type { CopyRows } from '../../../planner/plan.ts'
import { CR, LF } from './line-ends.ts'
import type { RowRun } from './row-run.ts'

const BACKSLASH = 0x5c
const DOT = 0x2e

const WORD_BYTES = 4
/** Times a byte: a word of it. */
const EACH = 0x01010101
const HIGH_BITS = 0x80808080
const LF_WORD = LF * EACH
const CR_WORD = CR * EACH

/** Instead of a position: next() has to look at the row. */
const UNUSUAL = -1

export type DelimitedRows = Extract<CopyRows, { readonly format: 'text' | 'csv' }>

/**
 * The fast half of TextRows and CsvRows: rows that end with a line feed, have one line, and whose key is neither quoted nor
 * escaped nor NULL. Almost all rows are so. Whatever else there is in a row ends the run before it.
 */
export class PlainRows {
  readonly #keyIndex: number
  readonly #delimiter: number
  readonly #nullText: Buffer
  readonly #isText: boolean
  readonly #quote: number
  readonly #markWord: number
  /** Bytes that end a key, or make it unusual. */
  readonly #keyStops = new Uint8Array(256)
  /** Bytes to be looked at in the fields before the key. */
  readonly #fieldStops = new Uint8Array(256)
  /** As #fieldStops, in the fields after the key. */
  readonly #restStops = new Uint8Array(256)
  /** Between quotes. */
  readonly #quotedStops = new Uint8Array(256)

  constructor(rows: DelimitedRows) {
    const { format, delimiter, keyIndex, nullText, quote } = rows
    this.#keyIndex = keyIndex
    this.#delimiter = delimiter
    this.#nullText = nullText
    this.#isText = format === 'text'
    this.#quote = quote
    const mark = this.#isText ? BACKSLASH : quote
    this.#markWord = (mark * EACH) | 0
    stopAt(this.#restStops, [mark, LF, CR])
    stopAt(this.#fieldStops, [mark, LF, CR, delimiter])
    stopAt(this.#keyStops, [mark, LF, CR, delimiter, ...(this.#isText ? [] : [rows.escape])])
    stopAt(this.#quotedStops, [quote, rows.escape, LF, CR])
  }

  /** As many of [start, end) as there are one after the other from `start`, and as the run has room for. */
  scan(bytes: Buffer, start: number, end: number, run: RowRun): void {
    const { capacity, ends, keyStarts, keyEnds, source } = run
    const keyStops = this.#keyStops
    const nullText = this.#nullText
    const nullLength = nullText.length
    let count = 0
    let at = start
    while (count < capacity) {
      const keyStart = this.#keyStart(bytes, at, end)
      if (keyStart === UNUSUAL) break
      let keyEnd = keyStart
      while (keyEnd < end && keyStops[bytes[keyEnd] ?? 0] === 0) keyEnd++
      if (keyEnd - keyStart === nullLength && equals(bytes, keyStart, keyEnd, nullText)) break
      const rowEnd = this.#rowEnd(bytes, source, keyEnd, end)
      if (rowEnd === UNUSUAL) break
      keyStarts[count] = keyStart
      keyEnds[count] = keyEnd
      ends[count++] = rowEnd
      at = rowEnd
    }
    run.count = count
  }

  #keyStart(bytes: Buffer, start: number, end: number): number {
    // it may be the end of data
    if (bytes[start] === BACKSLASH && !this.#isText) return UNUSUAL
    let at = start
    for (let fields = this.#keyIndex; fields > 0; fields--) {
      at = this.#fieldEnd(bytes, at, end)
      if (at === UNUSUAL) return UNUSUAL
      at++
    }
    return at
  }

  /** Where the field's delimiter is. */
  #fieldEnd(bytes: Buffer, start: number, end: number): number {
    const stops = this.#fieldStops
    let at = start
    for (;;) {
      while (at < end && stops[bytes[at] ?? 0] === 0) at++
      if (at >= end) return UNUSUAL
      if (bytes[at] === this.#delimiter) return at
      at = this.#afterMark(bytes, at, end)
      if (at === UNUSUAL) return UNUSUAL
    }
  }

  /** `keyEnd`: where the key's first stop is. */
  #rowEnd(bytes: Buffer, source: DataView, keyEnd: number, end: number): number {
    if (keyEnd >= end) return UNUSUAL
    if (bytes[keyEnd] === LF) return keyEnd + 1
    if (bytes[keyEnd] !== this.#delimiter) return UNUSUAL
    let at = keyEnd
    for (;;) {
      at = this.#restStop(bytes, source, at, end)
      if (at >= end) return UNUSUAL
      if (bytes[at] === LF) return at + 1
      at = this.#afterMark(bytes, at, end)
      if (at === UNUSUAL) return UNUSUAL
    }
  }

  /** The first stop from `from` on, or `end`. Four bytes at a time: of a word the lowest zero byte is found exactly. */
  #restStop(bytes: Buffer, source: DataView, from: number, end: number): number {
    const markWord = this.#markWord
    let at = from
    for (const last = end - WORD_BYTES; at <= last; at += WORD_BYTES) {
      const word = source.getInt32(at, true)
      const lf = word ^ LF_WORD
      const cr = word ^ CR_WORD
      const mark = word ^ markWord
      const zeros =
        (((lf - EACH) & ~lf) | ((cr - EACH) & ~cr) | ((mark - EACH) & ~mark)) & HIGH_BITS
      if (zeros !== 0) return at + ((31 - Math.clz32(zeros & -zeros)) >> 3)
    }
    const stops = this.#restStops
    while (at < end && stops[bytes[at] ?? 0] === 0) at++
    return at
  }

  /** What follows a backslash and its byte, or a quoted part of one line. */
  #afterMark(bytes: Buffer, at: number, end: number): number {
    if (bytes[at] === CR) return UNUSUAL
    if (bytes[at] === LF) return UNUSUAL
    return this.#isText ? this.#afterEscape(bytes, at, end) : this.#afterQuote(bytes, at, end)
  }

  #afterEscape(bytes: Buffer, at: number, end: number): number {
    const isWhole = at + 1 < end && bytes[at + 1] !== DOT
    return isWhole ? at + 2 : UNUSUAL
  }

  #afterQuote(bytes: Buffer, open: number, end: number): number {
    const stops = this.#quotedStops
    let at = open + 1
    while (at < end && stops[bytes[at] ?? 0] === 0) at++
    return at < end && bytes[at] === this.#quote ? at + 1 : UNUSUAL
  }
}

export function equals(bytes: Buffer, start: number, end: number, other: Buffer): boolean {
  if (end - start !== other.length) return false
  for (let index = 0; index < other.length; index++) {
    if (bytes[start + index] !== other[index]) return false
  }
  return true
}

function stopAt(stops: Uint8Array, bytes: readonly number[]): void {
  for (const byte of bytes) stops[byte] = 1
}
