const EMPTY = Buffer.alloc(0)
const NO_OFFSETS = new Int32Array(0)
const FIRST_CHANGES = 8
/** A text longer than this is not kept from one statement to the next. */
const KEPT_BYTES = 65_536

/**
 * Where a text was changed before it was sent, to map a server's error position (field P, characters from 1) back
 * to the client's own text. Filled while the text is written, reused from statement to statement; characters are
 * counted only when an error comes, from a copy of the text, since the client's buffer is gone by then.
 */
export class PositionMap {
  /** Characters of the client's message before this statement (a script's earlier statements). */
  #base = 0
  /** So many characters more than the client's were sent before the first change. */
  lead = 0
  #text: Buffer = EMPTY
  #copy: Buffer = EMPTY
  #textLength = 0
  #count = 0
  #starts = NO_OFFSETS
  #removed = NO_OFFSETS
  /** Two buffers for each change: together they are what was put there. */
  #written: Buffer[] = []
  /** The changes are another map's. */
  #isBorrowed = false

  reset(text: Buffer, start: number, end: number, base = 0): void {
    this.#begin(end - start, base)
    if (this.#copy.length < this.#textLength || this.#copy.length > KEPT_BYTES) {
      this.#copy = Buffer.allocUnsafe(Math.max(1024, this.#textLength))
    }
    text.copy(this.#copy, 0, start, end)
    this.#text = this.#copy
  }

  /** The text is sent as it is: no copy is needed. */
  unchanged(): void {
    this.#begin(0, 0)
  }

  /** As reset, for a text that nobody changes. */
  refer(text: Buffer): void {
    this.#begin(text.length, 0)
    this.#text = text
  }

  /** Keeps no copy any more: `text` is what reset() was given, and nobody changes it. */
  share(text: Buffer): void {
    this.#text = text
    this.#copy = EMPTY
  }

  /** As if all that `other` was told had been told to this one. `other` must not change any more. */
  borrow(other: PositionMap): void {
    this.#base = other.#base
    this.lead = other.lead
    this.#text = other.#text
    this.#textLength = other.#textLength
    this.#count = other.#count
    this.#starts = other.#starts
    this.#removed = other.#removed
    this.#written = other.#written
    this.#isBorrowed = true
  }

  #begin(length: number, base: number): void {
    if (this.#isBorrowed) this.#letGo()
    this.#base = base
    this.lead = 0
    this.#count = 0
    this.#textLength = length
  }

  /** In text order. `at`: bytes of the client's statement before it. The buffers must not change. */
  add(at: number, removedBytes: number, first: Buffer, second: Buffer): void {
    if (this.#count === this.#starts.length) this.#grow()
    this.#starts[this.#count] = at
    this.#removed[this.#count] = removedBytes
    this.#written[2 * this.#count] = first
    this.#written[2 * this.#count + 1] = second
    this.#count++
  }

  /** A position inside what was put in becomes the start of what had been there. */
  toOriginal(position: number): number {
    const offset = Math.max(0, position - 1 - this.lead)
    let sent = 0
    let original = 0
    let from = 0
    for (let index = 0; index < this.#count; index++) {
      const at = this.#starts[index] ?? 0
      const untouched = characterCount(this.#text, from, at)
      if (offset < sent + untouched) break
      sent += untouched
      original += untouched
      const written = this.#writtenCharacters(index)
      if (offset < sent + written) return original + this.#base + 1
      sent += written
      from = at + (this.#removed[index] ?? 0)
      original += characterCount(this.#text, at, from)
    }
    return original + (offset - sent) + this.#base + 1
  }

  #writtenCharacters(index: number): number {
    const first = this.#written[2 * index] ?? EMPTY
    const second = this.#written[2 * index + 1] ?? EMPTY
    return characterCount(first, 0, first.length) + characterCount(second, 0, second.length)
  }

  #letGo(): void {
    this.#isBorrowed = false
    this.#starts = NO_OFFSETS
    this.#removed = NO_OFFSETS
    this.#written = []
  }

  #grow(): void {
    const size = Math.max(FIRST_CHANGES, this.#starts.length * 2)
    this.#starts = grown(this.#starts, size)
    this.#removed = grown(this.#removed, size)
  }
}

function grown(from: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  const into = new Int32Array(size)
  into.set(from)
  return into
}

/** Characters of UTF-8 text in [start, end). */
export function characterCount(text: Buffer, start: number, end: number): number {
  let count = 0
  for (let index = start; index < end; index++) {
    if (((text[index] ?? 0) & 0xc0) !== 0x80) count++
  }
  return count
}
