import { Frontend, HEADER_BYTES } from '../../wire/message-codes.ts'
import type { BlockPool } from './block-pool.ts'
import { LineMap } from './line-map.ts'

/** Below this a byte loop beats Buffer.copy, which crosses into C++. */
const SMALL_COPY_BYTES = 160

/** One CopyData message: bytes [0, length) of the block. */
export type FilledBlock = { readonly block: Buffer; readonly length: number }

/** Rows for one table, as CopyData messages of many rows each. Sent in one piece within one COPY. */
export class RowBatch {
  readonly lineMap = new LineMap()
  readonly filled: FilledBlock[] = []
  byteLength = 0
  rowCount = 0
  /** Nothing can follow these rows. */
  isBroken = false
  /** More lines (or less) that a server counts for the first row if it is the first of all that it sees. */
  readonly firstShift: number
  readonly #pool: BlockPool
  #block: Buffer | undefined
  #length = 0

  constructor(pool: BlockPool, firstShift: number) {
    this.#pool = pool
    this.firstShift = firstShift
  }

  append(bytes: Buffer, start: number, end: number, lastLine: number, lines: number): void {
    const length = end - start
    let block = this.#block
    if (block === undefined || this.#length + length > block.length) {
      this.seal()
      block = this.#pool.take(length + HEADER_BYTES)
      this.#block = block
      this.#length = HEADER_BYTES
    }
    if (length < SMALL_COPY_BYTES) {
      let to = this.#length
      for (let from = start; from < end; from++) block[to++] = bytes[from] ?? 0
    } else bytes.copy(block, this.#length, start, end)
    this.#length += length
    this.byteLength += length
    this.rowCount++
    this.lineMap.add(lastLine, lines)
  }

  /** The message at hand ends. */
  seal(): void {
    const block = this.#block
    if (block === undefined) return
    block[0] = Frontend.copyData
    block.writeInt32BE(this.#length - 1, 1)
    this.filled.push({ block, length: this.#length })
    this.#block = undefined
  }
}
