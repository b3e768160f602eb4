import { Frontend, HEADER_BYTES } from '../../../wire/message-codes.ts'
import type { BlockPool } from './block-pool.ts'
import { LineMap } from './line-map.ts'

/** Below this a loop beats Buffer.copy, which makes a view and crosses into C++. */
const SMALL_COPY_BYTES = 512
/** What a loop copies at a time; so it may go on for all but one byte of them beyond a row's end. */
export const WORD_BYTES = 8
const NOTHING: Buffer = Buffer.alloc(0)

/** One CopyData message: bytes [0, length) of the block. */
export type FilledBlock = { readonly block: Buffer; readonly length: number }

/** Rows for one table, as CopyData messages of many rows each. Sent in one piece within one COPY. */
export class RowBatch {
  readonly lineMap: LineMap
  readonly filled: FilledBlock[] = []
  /** Nothing can follow these rows. */
  isBroken = false
  /** More lines (or less) that a server counts for the first row if it is the first of all that it sees. */
  readonly firstShift: number
  readonly #pool: BlockPool
  readonly #blockBytes: number
  #block: Buffer = NOTHING
  #view = new DataView(NOTHING.buffer, 0, 0)
  #length = 0
  /** What #length must not come beyond. */
  #limit = 0
  #sealedBytes = 0
  #blocksBytes = 0

  constructor(pool: BlockPool, blockBytes: number, firstShift: number) {
    this.#pool = pool
    this.#blockBytes = blockBytes
    this.firstShift = firstShift
    this.lineMap = new LineMap(pool, Math.ceil(blockBytes / 4))
  }

  /**
   * Appends a row of one line if that is quickly done; else does nothing and returns false. The row must end WORD_BYTES before
   * the end of `source`.
   */
  takes(source: DataView, start: number, end: number, line: number): boolean {
    const at = this.#length
    const next = at + end - start
    if (next > this.#limit || end - start > SMALL_COPY_BYTES) return false
    if (!this.lineMap.takes(line)) return false
    const view = this.#view
    const shift = start - at
    // two halves, since a word of 64 bits is a bigint
    for (let to = at; to < next; to += WORD_BYTES) {
      view.setInt32(to, source.getInt32(to + shift, true), true)
      view.setInt32(to + 4, source.getInt32(to + shift + 4, true), true)
    }
    this.#length = next
    return true
  }

  append(bytes: Buffer, start: number, end: number, lastLine: number, lines: number): void {
    const length = end - start
    if (this.isFull(length)) this.#begin(length)
    bytes.copy(this.#block, this.#length, start, end)
    this.#length += length
    this.lineMap.add(lastLine, lines)
  }

  /** A row of `length` needs another block. */
  isFull(length: number): boolean {
    return this.#length + length > this.#limit
  }

  /** Of the rows. */
  get byteLength(): number {
    return this.#sealedBytes + this.#length
  }

  /** Of its blocks, full or not. */
  get heldBytes(): number {
    return this.#blocksBytes + this.lineMap.heldBytes
  }

  #begin(length: number): void {
    this.seal()
    const leastBytes = length + HEADER_BYTES + WORD_BYTES
    const block = this.#pool.take(Math.max(this.#blockBytes, leastBytes))
    this.#block = block
    this.#view = new DataView(block.buffer, block.byteOffset, block.length)
    this.#blocksBytes += block.length
    this.#length = HEADER_BYTES
    this.#limit = block.length - WORD_BYTES
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
    this.#limit = 0
  }
}
