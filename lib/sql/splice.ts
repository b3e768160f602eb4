import type { ByteRange } from './text-navigation.ts'

export type TextReplacement = ByteRange & { readonly text: string | Buffer }

/** The text with each range replaced; ranges are in order and don't overlap, the rest stays byte for byte. */
export function spliceText(text: Buffer, replacements: readonly TextReplacement[]): Buffer {
  const pieces = splitAt(text, replacements)
  return Buffer.concat(
    pieces.flatMap((piece, index) => {
      const replacement = replacements[index]?.text
      if (replacement === undefined) return [piece]
      return [piece, typeof replacement === 'string' ? Buffer.from(replacement) : replacement]
    }),
  )
}

/** What lies around the ranges: always one piece more than ranges. The pieces alias `text`. */
export function splitAt(text: Buffer, ranges: readonly ByteRange[]): Buffer[] {
  const pieces: Buffer[] = []
  let from = 0
  for (const { start, end } of ranges) {
    if (start < from || end < start || end > text.length) {
      throw new RangeError('ranges overlap, or lie outside of the text')
    }
    pieces.push(text.subarray(from, start))
    from = end
  }
  pieces.push(text.subarray(from))
  return pieces
}

/** The 1-based character at a byte offset, as in the protocol's field P. */
export function characterPosition(text: Uint8Array, byteOffset: number): number {
  let characters = 1
  for (let i = 0; i < byteOffset; i += 1) {
    // every byte but the continuation bytes of UTF-8 begins a character
    if (((text[i] as number) & 0xc0) !== 0x80) characters += 1
  }
  return characters
}
