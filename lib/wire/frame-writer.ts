const INITIAL_BYTES = 1024
/** Below this a byte loop beats Buffer.copy, which crosses into C++. */
const SMALL_COPY_BYTES = 160
/** The same for a text, usually a name. */
const SMALL_TEXT_LENGTH = 32
/** A buffer that grew beyond this is not kept by reset(). */
const KEPT_BYTES = 256 * 1024
/** Of the shared buffers, those that wait for the next writer. */
const MAX_SPARE = 64
const MAX_SPARE_BYTES = 64 * 1024
const NOTHING = Buffer.alloc(0)

const spare: Buffer[] = []

/**
 * Messages in one growing buffer. A message stands between begin() and end(); the length is filled in by end().
 * `buffer` is replaced when it grows: read it anew after every write.
 */
export class FrameWriter {
  #buffer: Buffer
  #length = 0
  readonly #initialBytes: number
  readonly #isShared: boolean

  constructor(initialBytes = INITIAL_BYTES, isShared = false) {
    this.#initialBytes = initialBytes
    this.#isShared = isShared
    this.#buffer = isShared ? NOTHING : Buffer.allocUnsafeSlow(initialBytes)
  }

  /** For one of thousands that are mostly empty: it has a buffer only while there is something in it. */
  static shared(): FrameWriter {
    return new FrameWriter(INITIAL_BYTES, true)
  }

  /** Valid in [0, length). */
  get buffer(): Buffer {
    return this.#buffer
  }

  get length(): number {
    return this.#length
  }

  /** Starts a message and returns the mark to end it with. */
  begin(type: number): number {
    this.#reserve(5)
    this.#buffer[this.#length] = type
    const mark = this.#length + 1
    this.#length += 5
    return mark
  }

  /** Starts a packet without a type byte (StartupMessage and its kin). */
  beginPacket(): number {
    this.#reserve(4)
    const mark = this.#length
    this.#length += 4
    return mark
  }

  end(mark: number): void {
    this.#putInt32(mark, this.#length - mark)
  }

  /** A message without a body. */
  empty(type: number): void {
    this.end(this.begin(type))
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
  }

  int16(value: number): void {
    this.#reserve(2)
    this.#buffer[this.#length++] = value >> 8
    this.#buffer[this.#length++] = value
  }

  int32(value: number): void {
    this.#reserve(4)
    this.#putInt32(this.#length, value)
    this.#length += 4
  }

  cstring(text: string | Buffer): void {
    this.text(text)
    this.byte(0)
  }

  /** Without a zero at the end. */
  text(text: string | Buffer): void {
    if (typeof text !== 'string') {
      this.bytes(text)
      return
    }
    // UTF-8 takes at most 3 bytes for a UTF-16 unit
    this.#reserve(text.length * 3)
    if (text.length < SMALL_TEXT_LENGTH && this.#asciiText(text)) return
    this.#length += this.#buffer.write(text, this.#length, 'utf8')
  }

  /** false: it isn't ASCII. */
  #asciiText(text: string): boolean {
    const target = this.#buffer
    const from = this.#length
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) return false
      target[from + index] = code
    }
    this.#length = from + text.length
    return true
  }

  bytes(source: Buffer, start = 0, end = source.length): void {
    const length = end - start
    this.#reserve(length)
    if (length < SMALL_COPY_BYTES) {
      const target = this.#buffer
      let to = this.#length
      for (let from = start; from < end; from++) target[to++] = source[from] ?? 0
    } else {
      source.copy(this.#buffer, this.#length, start, end)
    }
    this.#length += length
  }

  /** Int32 length and the bytes; undefined is NULL (-1). */
  value(value: Buffer | undefined): void {
    if (value === undefined) {
      this.int32(-1)
      return
    }
    this.int32(value.length)
    this.bytes(value)
  }

  /** Forgets what was written after `length`: takes back messages that were appended. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = length
  }

  /** Forgets everything; the buffer is used again unless it grew large: a shared one by others. */
  reset(): void {
    this.#length = 0
    if (this.#isShared) this.#giveBack()
    else if (this.#buffer.length > KEPT_BYTES)
      this.#buffer = Buffer.allocUnsafeSlow(this.#initialBytes)
  }

  /** The bytes written so far, which are now the caller's; the writer goes on with a new buffer. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length)
    this.#buffer = this.#isShared ? NOTHING : Buffer.allocUnsafeSlow(this.#initialBytes)
    this.#length = 0
    return taken
  }

  #giveBack(): void {
    const { length } = this.#buffer
    if (length > 0 && length <= MAX_SPARE_BYTES && spare.length < MAX_SPARE)
      spare.push(this.#buffer)
    this.#buffer = NOTHING
  }

  #reserve(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#buffer.length) return
    if (this.#buffer === NOTHING)
      this.#buffer = spare.pop() ?? Buffer.allocUnsafeSlow(INITIAL_BYTES)
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }

  #putInt32(at: number, value: number): void {
    const buffer = this.#buffer
    buffer[at] = value >> 24
    buffer[at + 1] = value >> 16
    buffer[at + 2] = value >> 8
    buffer[at + 3] = value
  }
}
