export const Ascii = {
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  doubleQuote: 0x22,
  dollar: 0x24,
  ampersand: 0x26,
  quote: 0x27,
  open: 0x28,
  close: 0x29,
  star: 0x2a,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  dot: 0x2e,
  slash: 0x2f,
  zero: 0x30,
  semicolon: 0x3b,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  underscore: 0x5f,
} as const

/** Character classes of Postgres' scanner (scan.l), as bits by byte. Bytes above 127 are letters there. */
export const SPACE = 1
export const IDENTIFIER_START = 2
/** Letters, digits, underscore, dollar. */
export const IDENTIFIER_PART = 4
export const DIGIT = 8

export const CLASS_OF_BYTE: Uint8Array = classes()

function classes(): Uint8Array {
  const table = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte += 1) table[byte] = classOf(byte)
  return table
}

function classOf(byte: number): number {
  if (byte === 0x20 || (byte >= 9 && byte <= 13)) return SPACE
  if (byte >= 0x30 && byte <= 0x39) return DIGIT | IDENTIFIER_PART
  if (byte === Ascii.dollar) return IDENTIFIER_PART
  const lower = byte | 0x20
  const isLetter = (lower >= 0x61 && lower <= 0x7a && byte < 128) || byte === 0x5f || byte >= 128
  return isLetter ? IDENTIFIER_START | IDENTIFIER_PART : 0
}
