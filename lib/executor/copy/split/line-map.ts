import type { BlockPool } from './block-pool.ts'

/** Low seven bits of a byte of a number; the eighth says that there are more. */
const LOW_BITS = 0x7f
const MORE_BIT = 0x80
/** Nearer rows take one byte. */
const NEAR = 64
/** More than two numbers. */
const ENTRY_BYTES = 20
const NOTHING: Buffer = Buffer.alloc(0)

type Chunk = { readonly bytes: Buffer; readonly length: number }

/**
 * The client's line of each row that was sent to a shard, in a byte or two a row: the distance to the row before, and
 * whether the row counts for more than one line.
 */
export class LineMap {
  readonly #pool: BlockPool
  readonly #chunkBytes: number
  /** Full ones; no entry lies in two. */
  #full: Chunk[] = []
  #bytes: Buffer = NOTHING
  #length = 0
  #lastLine = 0
  #heldBytes = 0
  #isCounted = true

  constructor(pool: BlockPool, chunkBytes: number) {
    this.#pool = pool
    this.#chunkBytes = chunkBytes
  }

  /** `lastLine`: the client's last line of the row; `lines`: how many a server counts for it. */
  add(lastLine: number, lines: number): void {
    if (this.#length + ENTRY_BYTES > this.#bytes.length) this.#begin()
    const distance = lastLine - this.#lastLine
    this.#lastLine = lastLine
    if (lines === 1) this.#put(distance * 2)
    else {
      this.#put(distance * 2 + 1)
      this.#put(lines)
    }
  }

  /** As add(), of a row of one line, if that is quickly done; else does nothing and returns false. */
  takes(line: number): boolean {
    const distance = line - this.#lastLine
    const at = this.#length
    if (distance >= NEAR * NEAR || at + ENTRY_BYTES > this.#bytes.length) return false
    this.#lastLine = line
    const bytes = this.#bytes
    if (distance < NEAR) {
      bytes[at] = distance * 2
      this.#length = at + 1
    } else {
      bytes[at] = ((distance * 2) & LOW_BITS) | MORE_BIT
      bytes[at + 1] = distance >> 6
      this.#length = at + 2
    }
    return true
  }

  /** Of its chunks, as long as they count among what waits to be sent. */
  get heldBytes(): number {
    return this.#isCounted ? this.#heldBytes : 0
  }

  /** The rows are sent. */
  uncount(): void {
    this.#pool.usedBytes -= this.heldBytes
    this.#isCounted = false
  }

  /** Nobody will ask. */
  release(): void {
    this.#seal()
    if (!this.#isCounted) this.#pool.usedBytes += this.#heldBytes
    for (const { bytes } of this.#full) this.#pool.give(bytes, true)
    this.#full = []
    this.#heldBytes = 0
    this.#isCounted = true
  }

  /**
   * Goes on from the server's line `before`, the last one before these rows. The client's line for the server's line `wanted`,
   * or the server's last line of these rows as a negative number, when it comes later.
   */
  find(before: number, wanted: number): number {
    let line = before
    let clientLine = 0
    for (const { bytes, length } of [...this.#full, { bytes: this.#bytes, length: this.#length }]) {
      const reading = { bytes, at: 0 }
      while (reading.at < length) {
        const distance = number(reading)
        clientLine += Math.floor(distance / 2)
        line += distance % 2 === 0 ? 1 : number(reading)
        if (line >= wanted) return clientLine - (line - wanted)
      }
    }
    return -line
  }

  get lastLine(): number {
    return this.#lastLine
  }

  #put(value: number): void {
    let rest = value
    while (rest > LOW_BITS) {
      this.#bytes[this.#length++] = (rest % MORE_BIT) | MORE_BIT
      rest = Math.floor(rest / MORE_BIT)
    }
    this.#bytes[this.#length++] = rest
  }

  #begin(): void {
    this.#seal()
    this.#bytes = this.#pool.take(this.#chunkBytes)
    this.#heldBytes += this.#bytes.length
  }

  #seal(): void {
    if (this.#bytes === NOTHING) return
    this.#full.push({ bytes: this.#bytes, length: this.#length })
    this.#bytes = NOTHING
    this.#length = 0
  }
}

function number(reading: { readonly bytes: Buffer; at: number }): number {
  let value = 0
  let factor = 1
  for (;;) {
    const byte = reading.bytes[reading.at++] ?? 0
    value += (byte & LOW_BITS) * factor
    if (byte < MORE_BIT) return value
    factor *= MORE_BIT
  }
}
