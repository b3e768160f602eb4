/** Beyond so many unused ones are left to the collector. */
const MAX_SPARE = 256

/** Buffers of one size that are used again and again, and a count of all bytes that wait to be sent. */
export class BlockPool {
  readonly blockBytes: number
  /** Of blocks that are filled or being filled. */
  usedBytes = 0
  readonly #spare: Buffer[] = []

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes
  }

  take(leastBytes: number): Buffer {
    const isLarge = leastBytes > this.blockBytes
    const block =
      (isLarge ? undefined : this.#spare.pop()) ??
      Buffer.allocUnsafeSlow(isLarge ? leastBytes : this.blockBytes)
    this.usedBytes += block.length
    return block
  }

  /** `mayReuse` false: something may still read it. */
  give(block: Buffer, mayReuse: boolean): void {
    this.usedBytes -= block.length
    if (mayReuse && block.length === this.blockBytes && this.#spare.length < MAX_SPARE) {
      this.#spare.push(block)
    }
  }
}
