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

const ESCAPE = 1
const QUOTE = 2
const DELIMITER = 3
const LINE_END = 4

/** Rows of COPY's CSV format: between quotes neither delimiters nor line ends mean anything. */
export class CsvRows implements RowReader {
  key: KeyForm = KEY_PLAIN
  keyStart = 0
  keyEnd = 0
  lines = 1
  readonly isBroken = false
  readonly lineEnds: LineEnds
  readonly #kinds = new Uint8Array(256)
  readonly #options: DelimitedRows
  readonly #plainRows: PlainRows
  /** Quotes, and escapes between them, that #find() has passed. */
  #marks = 0

  constructor(options: DelimitedRows, serverMajor: number) {
    this.lineEnds = new LineEnds('csv', serverMajor)
    this.#options = options
    this.#plainRows = new PlainRows(options)
    this.#kinds[options.delimiter] = DELIMITER
    this.#kinds[LF] = LINE_END
    this.#kinds[CR] = LINE_END
    this.#kinds[options.escape] = ESCAPE
    this.#kinds[options.quote] = QUOTE
  }

  scan(bytes: Buffer, start: number, end: number, run: RowRun): void {
    if (this.lineEnds.style === 'LF') this.#plainRows.scan(bytes, start, end, run)
    else run.count = 0
  }

  next(bytes: Buffer, start: number, end: number, isLast: boolean): number {
    this.lines = 1
    if (this.lineEnds.mayBeMarker(bytes, start, end)) {
      const marker = this.lineEnds.markerAt(bytes, start, end, isLast)
      if (marker === UNCLEAR) return MORE
      if (marker !== NO_MARKER) return END
    }
    const keyStart = this.#keyField(bytes, start, end)
    // from here on it is read again
    if (keyStart < 0) this.lines = 1
    this.#marks = 0
    const keyEnd = keyStart < 0 ? start : this.#find(bytes, keyStart, end, DELIMITER)
    const keyMarks = this.#marks
    const lineEnd = this.#find(bytes, keyEnd, end, LINE_END)
    if (lineEnd >= end && !isLast) return MORE
    const stop = Math.min(lineEnd, end)
    const length = stop === end ? 0 : this.lineEnds.lengthAt(bytes, stop, end, isLast)
    if (length === UNCLEAR) return MORE
    this.keyStart = keyStart
    this.keyEnd = Math.min(keyEnd, end)
    this.key = keyStart < 0 ? KEY_UNSURE : this.#keyForm(bytes, keyMarks)
    return stop + length
  }

  /** Where the key's field begins; -1: the line has too few fields. */
  #keyField(bytes: Buffer, start: number, end: number): number {
    let at = start
    for (let fields = this.#options.keyIndex; fields > 0; fields--) {
      at = this.#find(bytes, at, end, DELIMITER)
      if (at >= end || this.#kinds[bytes[at] ?? 0] !== DELIMITER) return -1
      at++
    }
    return at
  }

  /** The first byte of kind `least` or above outside of quotes; `end` or more: there is none. */
  #find(bytes: Buffer, from: number, end: number, least: number): number {
    const kinds = this.#kinds
    let at = from
    for (; at < end; at++) {
      const kind = kinds[bytes[at] ?? 0] ?? 0
      if (kind <= ESCAPE) continue
      if (kind >= least) return at
      if (kind !== QUOTE) continue
      const close = this.#closingQuote(bytes, at + 1, end)
      this.#marks += this.#marksIn(bytes, at, close)
      at = close
    }
    return at
  }

  /** The quote that ends what begins at `from`, or `end`. Counts the lines in between. */
  #closingQuote(bytes: Buffer, from: number, end: number): number {
    const kinds = this.#kinds
    const newline = this.lineEnds.style === 'LF' ? LF : CR
    let isEscaped = false
    for (let at = from; at < end; at++) {
      const byte = bytes[at] ?? 0
      const kind = kinds[byte]
      if (kind === ESCAPE) isEscaped = !isEscaped
      else {
        if (kind === QUOTE && !isEscaped) return at
        isEscaped = false
        if (byte === newline) this.lines++
      }
    }
    return end
  }

  /** The two quotes, and what between them is not the text itself. */
  #marksIn(bytes: Buffer, open: number, close: number): number {
    if (this.#options.escape === this.#options.quote) return 2
    for (let at = open + 1; at < close; at++) {
      if (this.#kinds[bytes[at] ?? 0] === ESCAPE) return 3
    }
    return 2
  }

  #keyForm(bytes: Buffer, marks: number): KeyForm {
    const { quote, nullText, forcesNulls } = this.#options
    const isNullText = (start: number, end: number) => equals(bytes, start, end, nullText)
    if (marks === 0) {
      if (!isNullText(this.keyStart, this.keyEnd)) return KEY_PLAIN
      return forcesNulls ? KEY_UNSURE : KEY_NULL
    }
    const isWhole = bytes[this.keyStart] === quote && bytes[this.keyEnd - 1] === quote
    if (marks !== 2 || !isWhole || this.keyEnd - this.keyStart < 2) return KEY_UNSURE
    this.keyStart++
    this.keyEnd--
    return forcesNulls && isNullText(this.keyStart, this.keyEnd) ? KEY_UNSURE : KEY_PLAIN
  }
}
