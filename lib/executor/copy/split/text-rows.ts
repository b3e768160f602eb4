import { CR, LF, LineEnds, NO_MARKER, UNCLEAR } from './line-ends.ts'
import { type DelimitedRows, equals, PlainRows } from './plain-rows.ts'
import {
  END,
  KEY_NULL,
  KEY_PLAIN,
  KEY_UNSURE,
  type KeyForm,
  MORE,
  type RowReader,
} from './row-reader.ts'
import type { RowRun } from './row-run.ts'

const BACKSLASH = 0x5c
const DOT = 0x2e

const ESCAPE = 1
const DELIMITER = 2
const LINE_END = 3

/** Rows of COPY's text format: a backslash takes the next byte's meaning away, be it a delimiter or a line end. */
export class TextRows implements RowReader {
  key: KeyForm = KEY_PLAIN
  keyStart = 0
  keyEnd = 0
  readonly lines = 1
  readonly isBroken = false
  readonly #lineEnds: LineEnds
  readonly #plainRows: PlainRows
  readonly #kinds = new Uint8Array(256)
  readonly #keyIndex: number
  readonly #nullText: Buffer
  /** Seen by #find(). */
  #hasEscape = false

  constructor(options: DelimitedRows, serverMajor: number) {
    const { delimiter, keyIndex, nullText } = options
    this.#lineEnds = new LineEnds('text', serverMajor)
    this.#plainRows = new PlainRows(options)
    this.#keyIndex = keyIndex
    this.#nullText = nullText
    this.#kinds[delimiter] = DELIMITER
    this.#kinds[LF] = LINE_END
    this.#kinds[CR] = LINE_END
    this.#kinds[BACKSLASH] = ESCAPE
  }

  scan(bytes: Buffer, start: number, end: number, run: RowRun): void {
    if (this.#lineEnds.style === 'LF') this.#plainRows.scan(bytes, start, end, run)
    else run.count = 0
  }

  next(bytes: Buffer, start: number, end: number, isLast: boolean): number {
    if (this.#lineEnds.mayBeMarker(bytes, start, end)) {
      const marker = this.#lineEnds.markerAt(bytes, start, end, isLast)
      if (marker === UNCLEAR) return MORE
      if (marker !== NO_MARKER) return END
    }
    const keyStart = this.#keyField(bytes, start, end)
    this.#hasEscape = false
    const keyEnd = keyStart < 0 ? start : this.#find(bytes, keyStart, end, DELIMITER)
    const hasEscape = this.#hasEscape
    const lineEnd = this.#find(bytes, keyEnd, end, LINE_END)
    if (lineEnd >= end && !isLast) return MORE
    const stop = Math.min(lineEnd, end)
    const length = stop === end ? 0 : this.#lineEnds.lengthAt(bytes, stop, end, isLast)
    if (length === UNCLEAR) return MORE
    this.#setKey(bytes, keyStart, Math.min(keyEnd, end), hasEscape)
    return stop + length
  }

  /** Where the key's field begins; -1: the line has too few fields. */
  #keyField(bytes: Buffer, start: number, end: number): number {
    let at = start
    for (let fields = this.#keyIndex; fields > 0; fields--) {
      at = this.#find(bytes, at, end, DELIMITER)
      if (at >= end || this.#kinds[bytes[at] ?? 0] !== DELIMITER) return -1
      at++
    }
    return at
  }

  /** The first byte of kind `least` or above, that no backslash precedes; `end` or more: there is none. */
  #find(bytes: Buffer, from: number, end: number, least: number): number {
    const kinds = this.#kinds
    let at = from
    for (; at < end; at++) {
      const kind = kinds[bytes[at] ?? 0] ?? 0
      if (kind === 0) continue
      if (kind >= least) return at
      if (kind !== ESCAPE) continue
      this.#hasEscape = true
      at++
      if (at < end && bytes[at] === DOT) throw this.#lineEnds.strayMarker()
    }
    return at
  }

  #setKey(bytes: Buffer, start: number, end: number, hasEscape: boolean): void {
    this.keyStart = start
    this.keyEnd = end
    if (start < 0) this.key = KEY_UNSURE
    else if (equals(bytes, start, end, this.#nullText)) this.key = KEY_NULL
    else this.key = hasEscape ? KEY_UNSURE : KEY_PLAIN
  }
}
