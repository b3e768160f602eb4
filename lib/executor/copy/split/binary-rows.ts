import type { CopyRows } from '../../../planner/plan.ts'
import { COPY_HEADER } from '../../write/hashed-rows.ts'
import { END, KEY_NULL, KEY_PLAIN, type KeyForm, MORE, type RowReader } from './row-reader.ts'
import type { RowRun } from './row-run.ts'

const FIELD_COUNT_BYTES = 2
const LENGTH_BYTES = 4
const INVALID = -3

/** Tuples of COPY's binary format. */
export class BinaryRows implements RowReader {
  key: KeyForm = KEY_PLAIN
  keyStart = 0
  keyEnd = 0
  readonly lines = 1
  isBroken = false
  readonly #keyIndex: number
  readonly #columnCount: number

  constructor({ keyIndex, columnCount }: CopyRows) {
    this.#keyIndex = keyIndex
    this.#columnCount = columnCount
  }

  scan(bytes: Buffer, start: number, end: number, run: RowRun): void {
    const { capacity, ends, keyStarts, keyEnds } = run
    let count = 0
    let at = start
    while (count < capacity) {
      const first = at + FIELD_COUNT_BYTES
      if (first > end || bytes.readInt16BE(at) !== this.#columnCount) break
      at = this.#fields(bytes, first, end)
      if (at < 0 || this.key !== KEY_PLAIN) break
      keyStarts[count] = this.keyStart
      keyEnds[count] = this.keyEnd
      ends[count++] = at
    }
    run.count = count
  }

  next(bytes: Buffer, start: number, end: number, isLast: boolean): number {
    const first = start + FIELD_COUNT_BYTES
    // Postgres takes half a count for the end, too
    if (first > end) return isLast ? END : MORE
    const count = bytes.readInt16BE(start)
    if (count === -1) return this.#trailer(first, end, isLast)
    if (count !== this.#columnCount) return this.#broken(end)
    const rowEnd = this.#fields(bytes, first, end)
    return rowEnd === INVALID || (rowEnd === MORE && isLast) ? this.#broken(end) : rowEnd
  }

  /** Where they end, MORE or INVALID. */
  #fields(bytes: Buffer, first: number, end: number): number {
    let at = first
    for (let field = 0; field < this.#columnCount; field++) {
      if (at + LENGTH_BYTES > end) return MORE
      const length = bytes.readInt32BE(at)
      if (length < -1) return INVALID
      at += LENGTH_BYTES
      if (field === this.#keyIndex) this.#setKey(at, length)
      if (length > 0) at += length
    }
    return at <= end ? at : MORE
  }

  /** Nothing may follow it. */
  #trailer(first: number, end: number, isLast: boolean): number {
    if (first < end) return this.#broken(end)
    return isLast ? END : MORE
  }

  #setKey(at: number, length: number): void {
    this.key = length < 0 ? KEY_NULL : KEY_PLAIN
    this.keyStart = at
    this.keyEnd = at + Math.max(0, length)
  }

  #broken(end: number): number {
    this.isBroken = true
    return end
  }
}

/** The end of the file's header, MORE, or -2: it is none. */
export function binaryHeaderEnd(bytes: Buffer, end: number): number {
  const fixed = COPY_HEADER.length
  if (end < fixed) return MORE
  if (bytes.compare(COPY_HEADER, 0, 11, 0, 11) !== 0) return END
  const extension = bytes.readInt32BE(fixed - LENGTH_BYTES)
  if (extension < 0) return END
  return fixed + extension <= end ? fixed + extension : MORE
}
