const FIRST_BYTES = 256
/** Low seven bits of a byte of a number; the eighth says that there are more. */
const LOW_BITS = 0x7f
const MORE_BIT = 0x80
/** Nearer rows take one byte. */
const NEAR = 64

/**
 * The client's line of each row that was sent to a shard, in a byte or two a row: the distance to the row before, and
 * whether the row counts for more than one line.
 */
export class LineMap {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0
  #lastLine = 0

  /** `lastLine`: the client's last line of the row; `lines`: how many a server counts for it. */
  add(lastLine: number, lines: number): void {
    if (this.#length + 16 > this.#bytes.length) this.#grow()
    const distance = lastLine - this.#lastLine
    this.#lastLine = lastLine
    if (lines === 1 && distance < NEAR) this.#bytes[this.#length++] = distance * 2
    else if (lines === 1) this.#put(distance * 2)
    else {
      this.#put(distance * 2 + 1)
      this.#put(lines)
    }
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  /**
   * Goes on from the server's line `before`, the last one before these rows. The client's line for the server's line `wanted`,
   * or the server's last line of these rows as a negative number, when it comes later.
   */
  find(before: number, wanted: number): number {
    let line = before
    let clientLine = 0
    for (this.#at = 0; this.#at < this.#length; ) {
      const distance = this.#get()
      clientLine += Math.floor(distance / 2)
      line += distance % 2 === 0 ? 1 : this.#get()
      if (line >= wanted) return clientLine - (line - wanted)
    }
    return -line
  }

  get lastLine(): number {
    return this.#lastLine
  }

  /** While reading. */
  #at = 0

  #put(value: number): void {
    let rest = value
    while (rest > LOW_BITS) {
      this.#bytes[this.#length++] = (rest % MORE_BIT) | MORE_BIT
      rest = Math.floor(rest / MORE_BIT)
    }
    this.#bytes[this.#length++] = rest
  }

  #get(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? 0
      value += (byte & LOW_BITS) * factor
      if (byte < MORE_BIT) return value
      factor *= MORE_BIT
    }
  }

  #grow(): void {
    const grown = Buffer.allocUnsafe(this.#bytes.length * 2)
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
