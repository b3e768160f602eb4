import { giveBlock, takeBlock } from '../../../base/spare-blocks.ts'

const MIB = 1024 * 1024
/** Of a COPY that is alone in the process. */
const ALONE_BYTES = 44 * MIB
/** Of several together, which hold memory elsewhere too; each has a fair part of it, but never less than it needs to go on. */
const SHARED_BYTES = 24 * MIB
const MIN_SHARE_BYTES = 4 * MIB
/** Larger ones are made for a single long row. */
export const MAX_BLOCK_BYTES = 64 * 1024

let openPools = 0

/** Blocks of one COPY, or of a statement like it, with a count of all that wait to be sent. */
export class BlockPool {
  /** Of blocks that are filled or being filled. */
  usedBytes = 0
  #isOpen = true

  constructor() {
    openPools++
  }

  /** What may be in use at a time. Less as soon as others have begun. */
  get shareBytes(): number {
    if (openPools <= 1) return ALONE_BYTES
    return Math.max(MIN_SHARE_BYTES, Math.floor(SHARED_BYTES / openPools))
  }

  take(bytes: number): Buffer {
    const block = bytes > MAX_BLOCK_BYTES ? Buffer.allocUnsafeSlow(bytes) : takeBlock(bytes)
    this.usedBytes += bytes
    return block
  }

  /** `mayReuse` false: something may still read it. */
  give(block: Buffer, mayReuse: boolean): void {
    this.usedBytes -= block.length
    if (mayReuse && block.length <= MAX_BLOCK_BYTES) giveBlock(block)
  }

  /** Nothing is taken any more. May be called again. */
  close(): void {
    if (this.#isOpen) openPools--
    this.#isOpen = false
  }
}
