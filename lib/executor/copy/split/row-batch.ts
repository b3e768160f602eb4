import { Frontend, HEADER_BYTES } from '../../../wire/message-codes.ts'
import type { BlockPool } from './block-pool.ts'
import { LineMap } from './line-map.ts'

/** Below this a byte loop beats Buffer.copy, which crosses into C++. */
const SMALL_COPY_BYTES = 160
const NOTHING: Buffer = Buffer.alloc(0)

/** One CopyData message: bytes [0, length) of the block. */
export type FilledBlock = { readonly block: Buffer; readonly length: number }

/** Rows for one table, as CopyData messages of many rows each. Sent in one piece within one COPY. */
export class RowBatch {
  readonly lineMap = new LineMap()
  readonly filled: FilledBlock[] = []
  /** Nothing can follow these rows. */
  isBroken = false
  /** Of its blocks, full or not. */
  heldBytes = 0
  /** More lines (or less) that a server counts for the first row if it is the first of all that it sees. */
  readonly firstShift: number
  readonly #pool: BlockPool
  #block: Buffer = NOTHING
  #length = 0
  #sealedBytes = 0

  constructor(pool: BlockPool, firstShift: number) {
    this.#pool = pool
    this.firstShift = firstShift
  }

  append(bytes: Buffer, start: number, end: number, lastLine: number, lines: number): void {
    const length = end - start
    if (this.#length + length > this.#block.length) this.#begin(length)
    const block = this.#block
    let to = this.#length
    if (length < SMALL_COPY_BYTES) {
      for (let from = start; from < end; from++) block[to++] = bytes[from] ?? 0
    } else to += bytes.copy(block, to, start, end)
    this.#length = to
    this.lineMap.add(lastLine, lines)
  }

  get byteLength(): number {
    return this.#sealedBytes + this.#length
  }

  #begin(length: number): void {
    this.seal()
    this.#block = this.#pool.take(length + HEADER_BYTES)
    this.heldBytes += this.#block.length
    this.#length = HEADER_BYTES
  }

  /** The message at hand ends. */
  seal(): void {
    const block = this.#block
    if (block === NOTHING) return
    block[0] = Frontend.copyData
    block.writeInt32BE(this.#length - 1, 1)
    this.filled.push({ block, length: this.#length })
    this.#sealedBytes += this.#length
    this.#block = NOTHING
    this.#length = 0
  }
}
