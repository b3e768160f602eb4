import { ProtocolError } from '../base/errors.ts'
import { HEADER_BYTES } from './message-codes.ts'

/**
 * Reads one message from left to right; every read is bounds-checked and every violation is a ProtocolError
 * (08P01). Slices that it returns alias the frame.
 */
export class FrameCursor {
  readonly #frame: Buffer
  #position: number

  /** `frame` is exactly one message: from its type byte (or from its length, when `typeBytes` is 0) to its last byte. */
  constructor(frame: Buffer, typeBytes: 0 | 1 = 1) {
    const header = typeBytes + HEADER_BYTES - 1
    if (frame.length < header || frame.readUInt32BE(typeBytes) !== frame.length - typeBytes) {
      throw new ProtocolError('invalid message length')
    }
    this.#frame = frame
    this.#position = header
  }

  get remaining(): number {
    return this.#frame.length - this.#position
  }

  byte(): number {
    return this.#frame.readUInt8(this.#advance(1))
  }

  int16(): number {
    return this.#frame.readInt16BE(this.#advance(2))
  }

  uint16(): number {
    return this.#frame.readUInt16BE(this.#advance(2))
  }

  int32(): number {
    return this.#frame.readInt32BE(this.#advance(4))
  }

  uint32(): number {
    return this.#frame.readUInt32BE(this.#advance(4))
  }

  bytes(length: number): Buffer {
    const start = this.#advance(length)
    return this.#frame.subarray(start, start + length)
  }

  /** Everything up to the end of the message. */
  rest(): Buffer {
    return this.bytes(this.remaining)
  }

  /** A zero-terminated string as bytes, without the zero. */
  cstringBytes(): Buffer {
    const start = this.#position
    const zero = this.#frame.indexOf(0, start)
    if (zero < 0) throw new ProtocolError('invalid string in message')
    this.#position = zero + 1
    return this.#frame.subarray(start, zero)
  }

  cstring(): string {
    return this.cstringBytes().toString('utf8')
  }

  /** Int32 length and so many bytes; -1 is NULL. */
  value(): Buffer | undefined {
    const length = this.int32()
    if (length === -1) return undefined
    if (length < 0) throw new ProtocolError('insufficient data left in message')
    return this.bytes(length)
  }

  /** Int16 count and so many items. */
  list<T>(item: () => T): T[] {
    const count = this.uint16()
    const items: T[] = []
    for (let i = 0; i < count; i++) items.push(item())
    return items
  }

  /** Nothing may be left. */
  end(): void {
    if (this.remaining !== 0) throw new ProtocolError('invalid message format')
  }

  #advance(length: number): number {
    const start = this.#position
    if (length > this.#frame.length - start) {
      throw new ProtocolError('insufficient data left in message')
    }
    this.#position = start + length
    return start
  }
}
