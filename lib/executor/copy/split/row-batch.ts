import { Frontend, HEADER_BYTES } from '../../../wire/message-codes.ts'
import type { BlockPool } from './block-pool.ts'
import { LineMap } from './line-map.ts'

/** Below this a loop beats Buffer.copy, which makes a view and crosses into C++. */
const SMALL_COPY_BYTES = 512
/** What a loop copies at a time; so it may go on for all but one byte of them beyond a row's end. */
const WORD_BYTES = 8
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
  #view = new DataView(NOTHING.buffer, 0, 0)
  #length = 0
  #sealedBytes = 0

  constructor(pool: BlockPool, firstShift: number) {
    this.#pool = pool
    this.firstShift = firstShift
  }

  /** `source`: the same bytes. */
  append(
    bytes: Buffer,
    source: DataView,
    start: number,
    end: number,
    lastLine: number,
    lines: number,
  ): void {
    const length = end - start
    if (this.#length + length + WORD_BYTES > this.#block.length) this.#begin(length)
    const at = this.#length
    if (length < SMALL_COPY_BYTES && end + WORD_BYTES <= source.byteLength) {
      const view = this.#view
      // two halves, since a word of 64 bits is a bigint
      for (let done = 0; done < length; done += WORD_BYTES) {
        view.setInt32(at + done, source.getInt32(start + done))
        view.setInt32(at + done + 4, source.getInt32(start + done + 4))
      }
    } else bytes.copy(this.#block, at, start, end)
    this.#length = at + length
    this.lineMap.add(lastLine, lines)
  }

  get byteLength(): number {
    return this.#sealedBytes + this.#length
  }

  #begin(length: number): void {
    this.seal()
    const block = this.#pool.take(length + HEADER_BYTES + WORD_BYTES)
    this.#block = block
    this.#view = new DataView(block.buffer, block.byteOffset, block.length)
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
