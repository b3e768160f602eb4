import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import { Frontend } from '../../wire/message-codes.ts'
import { interruptible } from '../interruptible.ts'
import type { ServerAnswer } from '../server-answer.ts'
import { sendQuery } from '../simple-request.ts'

/** PGCOPY\n\377\r\n\0, Int32 flags, Int32 length of the extension. */
export const COPY_HEADER = Buffer.concat([
  Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'),
  Buffer.alloc(8),
])
/** Int16(-1) after the last tuple. */
export const COPY_TRAILER = Buffer.from([0xff, 0xff])

const BATCH_BYTES = 65_536
/** Batches waiting for their target; beyond this the source is paused. */
const HIGH_WATER_BATCHES = 8
const LOW_WATER_BATCHES = 2

export type HashRange = { readonly minHash: number; readonly maxHash: number }

/** CopyData messages of tuples that belong to one range. */
export type RowBatch = {
  readonly rangeIndex: number
  readonly messages: Buffer
  readonly rowCount: number
}

/**
 * Reads `COPY (SELECT hash, … ORDER BY hash) TO STDOUT (FORMAT binary)` and cuts it by ranges of the hash, which is
 * taken out of the tuples. Bounded: the source is paused while too much waits.
 *
 *     tuple  Int16(n) Int32(4) Int32(hash) fields        ->  'd' Int32(length) Int16(n - 1) fields
 */
export class HashedRows {
  readonly #source: BackendConnection
  readonly #ranges: readonly HashRange[]
  readonly #answer: ServerAnswer
  /** Settles after the answer, when no cancel of it is under way. */
  readonly #interrupted: Promise<unknown>
  readonly #waiting: RowBatch[] = []
  #batch = Buffer.allocUnsafeSlow(BATCH_BYTES)
  #batchLength = 0
  #batchRows = 0
  #rangeIndex = 0
  #isFirst = true
  #isPaused = false
  #wake: (() => void) | undefined

  constructor(
    source: BackendConnection,
    sql: string,
    ranges: readonly HashRange[],
    signal: AbortSignal,
  ) {
    this.#source = source
    this.#ranges = ranges
    this.#answer = sendQuery(source, sql, {
      row: (chunk, start, end) => this.#copyData(chunk, start + 5, end),
    })
    this.#interrupted = interruptible(source, signal, this.#answer.done)
    this.#interrupted.catch(() => undefined)
  }

  /** The next batch in the order of the hashes, undefined after the last. Throws the source's error. */
  async next(): Promise<RowBatch | undefined> {
    for (;;) {
      if (this.#waiting.length <= LOW_WATER_BATCHES) this.#resume()
      const batch = this.#waiting.shift()
      if (batch !== undefined) return batch
      if (this.#answer.error !== undefined) throw await this.#failed(this.#answer.error)
      if (this.#answer.isDone) {
        if (this.#batchLength === 0) return undefined
        this.#endBatch()
        continue
      }
      await this.#more()
    }
  }

  /** Stops the source; resolves when its connection can be used again. */
  async abandon(): Promise<void> {
    this.#answer.abandon()
    this.#resume()
    if (!this.#answer.isDone) await this.#source.cancel(this.#answer)
    await this.#interrupted
  }

  async #failed(error: RouterError): Promise<RouterError> {
    await this.#interrupted
    return error
  }

  #more(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    return Promise.race([woken, this.#answer.done.then(() => undefined)])
  }

  #copyData(chunk: Buffer, start: number, end: number): void {
    let at = start
    if (this.#isFirst) {
      this.#isFirst = false
      // the header comes together with the first tuple
      at += COPY_HEADER.length + chunk.readInt32BE(start + COPY_HEADER.length - 4)
      if (at >= end) return
    }
    const columnCount = chunk.readInt16BE(at)
    if (columnCount === -1) return
    if (chunk.readInt32BE(at + 2) !== 4) throw new Error('a row without a hash')
    this.#enterRange(chunk.readInt32BE(at + 6))
    this.#append(columnCount - 1, chunk, at + 10, end)
  }

  #enterRange(hash: number): void {
    const current = this.#ranges[this.#rangeIndex]
    if (current !== undefined && hash >= current.minHash && hash <= current.maxHash) return
    this.#endBatch()
    this.#rangeIndex = this.#ranges.findIndex(
      ({ minHash, maxHash }) => hash >= minHash && hash <= maxHash,
    )
    if (this.#rangeIndex === -1) throw new Error(`no range has the hash ${hash}`)
  }

  #append(columnCount: number, chunk: Buffer, start: number, end: number): void {
    const length = 7 + end - start
    if (this.#batchLength + length > this.#batch.length) {
      this.#endBatch()
      if (length > this.#batch.length) this.#batch = Buffer.allocUnsafeSlow(length)
    }
    const at = this.#batchLength
    this.#batch[at] = Frontend.copyData
    this.#batch.writeInt32BE(length - 1, at + 1)
    this.#batch.writeInt16BE(columnCount, at + 5)
    chunk.copy(this.#batch, at + 7, start, end)
    this.#batchLength += length
    this.#batchRows++
  }

  #endBatch(): void {
    if (this.#batchLength === 0) return
    this.#waiting.push({
      rangeIndex: this.#rangeIndex,
      messages: this.#batch.subarray(0, this.#batchLength),
      rowCount: this.#batchRows,
    })
    this.#batch = Buffer.allocUnsafeSlow(BATCH_BYTES)
    this.#batchLength = 0
    this.#batchRows = 0
    if (this.#waiting.length >= HIGH_WATER_BATCHES && !this.#isPaused) {
      this.#isPaused = true
      this.#source.pause()
    }
    this.#wake?.()
    this.#wake = undefined
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#source.resume()
  }
}
