import { Frontend } from '../../wire/message-codes.ts'

const NO_TYPES: readonly number[] = []

/**
 * Parse of the unnamed statement as it stands in a read buffer. Offsets only; reused from message to message.
 *
 *   Parse: type length name\0 query\0 count types
 *                            ^textStart  ^typesStart
 */
export class ParseMessage {
  textStart = 0
  /** Of its zero. */
  textEnd = 0
  typesStart = 0
  /** The next message begins here. */
  end = 0

  /** false: named, or malformed. */
  read(chunk: Buffer, start: number, end: number): boolean {
    if (chunk[start] !== Frontend.parse || end - start < 9 || chunk[start + 5] !== 0) return false
    this.textStart = start + 6
    this.textEnd = chunk.indexOf(0, this.textStart)
    this.typesStart = this.textEnd + 1
    this.end = end
    if (this.textEnd < 0 || this.typesStart + 2 > end) return false
    return this.typesStart + 2 + 4 * chunk.readUInt16BE(this.typesStart) === end
  }

  types(chunk: Buffer): readonly number[] {
    const count = chunk.readUInt16BE(this.typesStart)
    if (count === 0) return NO_TYPES
    return Array.from({ length: count }, (_, index) =>
      chunk.readUInt32BE(this.typesStart + 2 + 4 * index),
    )
  }

  /** Of the same text, of parameters declared the same? */
  isOf(text: Buffer, types: readonly number[], chunk: Buffer): boolean {
    const { textStart, textEnd } = this
    if (
      text.length !== textEnd - textStart ||
      types.length !== (this.end - this.typesStart - 2) / 4
    ) {
      return false
    }
    if (text.compare(chunk, textStart, textEnd) !== 0) return false
    return types.every((type, at) => chunk.readUInt32BE(this.typesStart + 2 + 4 * at) === type)
  }
}

/** Where the message of this type at `start` ends; 0: another one, or not all of it is here. */
export function messageEnd(type: number, chunk: Buffer, start: number, chunkEnd: number): number {
  if (start + 5 > chunkEnd || chunk[start] !== type) return 0
  const length = chunk.readUInt32BE(start + 1)
  return length >= 4 && length <= chunkEnd - start - 1 ? start + 1 + length : 0
}
