/** Kept from one request to the next, unless it has grown beyond. */
const KEPT_BYTES = 1024
const NOTHING = Buffer.alloc(0)

/** A copy of the client's messages under way, should they be carried out again. */
export class KeptMessages {
  #kept: Buffer = NOTHING
  #length = 0

  /** Copies [start, end). */
  keep(chunk: Buffer, start: number, end: number): void {
    const length = end - start
    const size = this.#kept.length
    if (size < length || size > KEPT_BYTES) this.#kept = Buffer.allocUnsafe(Math.max(length, 128))
    const kept = this.#kept
    // a loop is faster than copy() for so few bytes
    if (length > KEPT_BYTES) chunk.copy(kept, 0, start, end)
    else for (let index = 0; index < length; index++) kept[index] = chunk[start + index] ?? 0
    this.#length = length
  }

  get messages(): Buffer {
    return Buffer.from(this.#kept.subarray(0, this.#length))
  }
}
