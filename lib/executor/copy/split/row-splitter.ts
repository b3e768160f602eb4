import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import type { KeyHasher } from '../../../catalog/key-bytes.ts'
import { shardIndexer } from '../../../catalog/shard-map.ts'
import { binaryHeaderEnd } from './binary-rows.ts'
import { CR } from './line-ends.ts'
import { END, KEY_NULL, KEY_PLAIN, MORE, type RowReader } from './row-reader.ts'
import { RowRun } from './row-run.ts'

/** A row must be in one piece before it is sent on. */
const MAX_ROW_BYTES = 64 * 1024 * 1024
const NOTHING = Buffer.alloc(0)
/** An unfinished row as long is looked at again only when twice as much is there. */
const LONG_ROW_BYTES = 64 * 1024

/** Where one row is unusual the next ones often are. */
const UNUSUAL_ROWS = 8

/** Instead of a shard's index: only Postgres can read the row's key. */
export const UNKNOWN_SHARD = -1
/** Where rows go that any shard refuses. */
export const BROKEN_SHARD = 0

export type SplitterOptions = {
  readonly table: DistributedTable
  readonly reader: RowReader
  readonly hashKey: KeyHasher
  readonly isBinary: boolean
  /** Before the rows come column names, or a file's header. */
  readonly hasHead: boolean
  readonly sink: RowSink
}

export interface RowSink {
  /** Takes a row that ends on the client's line `line` and has so many; the bytes are valid only during the call. */
  place(shard: number, bytes: Buffer, start: number, end: number, line: number, lines: number): void
  /** As place(), of rows of one line each from `start` on, the first of which is the client's line `line`. */
  placeRun(run: RowRun, bytes: Buffer, start: number, line: number): void
}

/** Cuts the client's data into rows and says where each belongs. */
export class RowSplitter {
  /** Of the client's data, so far. */
  lines = 0
  /** What stood before the rows. */
  head: { bytes: Buffer | undefined; lines: number } = { bytes: undefined, lines: 0 }
  /** Whatever comes now is not to be looked at. */
  isOver = false
  readonly #options: SplitterOptions
  readonly #reader: RowReader
  readonly #sink: RowSink
  readonly #indexOf: (hash: number) => number
  readonly #run = new RowRun()
  /** Rows that next() is asked about at once, since those before them were unusual. */
  #unusualRows = 0
  #needsHead: boolean
  #rest: Buffer = NOTHING
  #restLength = 0
  #wantedBytes = 0

  constructor(options: SplitterOptions) {
    this.#options = options
    this.#reader = options.reader
    this.#sink = options.sink
    this.#indexOf = shardIndexer(options.table)
    this.#needsHead = options.hasHead
  }

  /** true: Postgres will refuse the last row placed. */
  get isBroken(): boolean {
    return this.#reader.isBroken
  }

  /** For errors about the row that is being looked at. */
  get currentLine(): number {
    return this.lines + this.#reader.lines
  }

  /** The line that the data, as far as they have come, end in. */
  get lastLine(): number {
    return this.#restLength > 0 ? this.currentLine : this.lines + 1
  }

  /** Throws CopyFault, after the rows before it were placed. */
  take(bytes: Buffer): void {
    if (this.isOver) return
    if (this.#restLength === 0) {
      this.#keep(bytes, this.#split(bytes, bytes.length, false), bytes.length)
      return
    }
    this.#append(bytes)
    if (this.#restLength < this.#wantedBytes) return
    const length = this.#restLength
    this.#restLength = 0
    this.#keep(this.#rest, this.#split(this.#rest, length, false), length)
  }

  /** The data have ended. */
  finish(): void {
    if (!this.isOver) this.#split(this.#rest, this.#restLength, true)
    this.isOver = true
  }

  #split(bytes: Buffer, end: number, isLast: boolean): number {
    const reader = this.#reader
    let start = 0
    this.#run.source = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (this.#needsHead) {
      start = this.#readHead(bytes, end, isLast)
      if (start < 0) return 0
    }
    while (start < end && !this.isOver) {
      start = this.#splitRun(bytes, start, end)
      if (start >= end) break
      const rowEnd = reader.next(bytes, start, end, isLast)
      if (rowEnd === MORE) return start
      if (rowEnd === END) {
        this.isOver = true
        return end
      }
      const { lines } = reader
      this.lines += lines
      this.#sink.place(this.#shardOf(bytes), bytes, start, rowEnd, this.lines, lines)
      if (reader.isBroken) this.isOver = true
      start = rowEnd
    }
    return start
  }

  /** Where the rows that are not unusual end. */
  #splitRun(bytes: Buffer, start: number, end: number): number {
    if (this.#unusualRows > 0) {
      this.#unusualRows--
      return start
    }
    const run = this.#run
    this.#reader.scan(bytes, start, end, run)
    const { count, ends, keyStarts, keyEnds, shards } = run
    if (count === 0) {
      this.#unusualRows = UNUSUAL_ROWS
      return start
    }
    const { hashKey } = this.#options
    for (let row = 0; row < count; row++) {
      const hash = hashKey(bytes, keyStarts[row] ?? 0, keyEnds[row] ?? 0)
      shards[row] = hash === undefined ? UNKNOWN_SHARD : this.#indexOf(hash)
    }
    this.#sink.placeRun(run, bytes, start, this.lines + 1)
    this.lines += count
    return ends[count - 1] ?? start
  }

  #shardOf(bytes: Buffer): number {
    const reader = this.#reader
    if (reader.isBroken) return BROKEN_SHARD
    if (reader.key === KEY_PLAIN) {
      const hash = this.#options.hashKey(bytes, reader.keyStart, reader.keyEnd)
      return hash === undefined ? UNKNOWN_SHARD : this.#indexOf(hash)
    }
    // any shard refuses it
    const { isNotNull } = this.#options.table.distributionColumn
    return reader.key === KEY_NULL && isNotNull ? BROKEN_SHARD : UNKNOWN_SHARD
  }

  /** Where the rows begin, or MORE. */
  #readHead(bytes: Buffer, end: number, isLast: boolean): number {
    if (end === 0 && !this.#options.isBinary) return MORE
    const headEnd = this.#options.isBinary
      ? binaryHeaderEnd(bytes, end)
      : this.#reader.next(bytes, 0, end, isLast)
    if (headEnd === MORE && !isLast) return MORE
    this.#needsHead = false
    if (headEnd >= 0) {
      const lines = this.#options.isBinary ? 0 : this.#reader.lines
      this.head = { bytes: Buffer.from(bytes.subarray(0, headEnd)), lines }
      this.lines += lines
      return headEnd
    }
    this.isOver = true
    if (this.#options.isBinary) {
      this.#reader.isBroken = true
      this.#sink.place(BROKEN_SHARD, bytes, 0, end, 0, 1)
    }
    return end
  }

  /**
   * How many lines more a server that has not seen a line's end yet counts for the row: quoted line feeds don't count for it, quoted
   * carriage returns do.
   */
  firstShift(bytes: Buffer, start: number, end: number): number {
    if (this.#reader.lineEnds?.style !== 'LF') return 0
    let returns = 0
    for (let at = start; at < end; at++) if (bytes[at] === CR) returns++
    return 1 + returns - this.#reader.lines
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (this.isOver || start >= end) return
    const length = end - start
    if (length > MAX_ROW_BYTES) throw tooLong()
    if (bytes === this.#rest) bytes.copyWithin(0, start, end)
    else {
      if (this.#rest.length < length) this.#rest = Buffer.allocUnsafeSlow(length * 2)
      bytes.copy(this.#rest, 0, start, end)
    }
    this.#restLength = length
    this.#wantedBytes = length > LONG_ROW_BYTES ? Math.min(length * 2, MAX_ROW_BYTES + 1) : 0
  }

  #append(bytes: Buffer): void {
    const length = this.#restLength + bytes.length
    if (length > this.#rest.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#rest.length * 2))
      this.#rest.copy(grown, 0, 0, this.#restLength)
      this.#rest = grown
    }
    bytes.copy(this.#rest, this.#restLength)
    this.#restLength = length
  }
}

function tooLong(): RouterError {
  return new RouterError(
    SqlState.programLimitExceeded,
    `a row of COPY is longer than ${MAX_ROW_BYTES / 1024 / 1024} MiB`,
    { hint: 'Insert long values by INSERT with a parameter.' },
  )
}
