import {
  Ascii,
  CLASS_OF_BYTE,
  DIGIT,
  IDENTIFIER_PART,
  IDENTIFIER_START,
  SPACE,
} from './characters.ts'

/**
 * Where a token that begins at a given byte ends, by the rules of Postgres' scanner. Each function is given the offset
 * of the token's first byte and the end of the text, and answers the offset after the token, or one of these:
 */
/** The token never ends, or what it is is better left to the parser. */
export const UNKNOWN = -1
/** There is no such token here. */
export const NONE = -2

function classAt(text: Uint8Array, at: number): number {
  return CLASS_OF_BYTE[text[at] as number] as number
}

/** Of an unquoted identifier or keyword. */
export function wordEnd(text: Uint8Array, start: number, end: number): number {
  let i = start + 1
  while (i < end && (classAt(text, i) & IDENTIFIER_PART) !== 0) i += 1
  return i
}

/** Of '…' or "…" without escapes, whose quotes are doubled inside. */
export function quotedEnd(text: Uint8Array, start: number, end: number): number {
  const quote = text[start]
  let i = start + 1
  while (i < end) {
    if (text[i] !== quote) i += 1
    else if (i + 1 < end && text[i + 1] === quote) i += 2
    else return i + 1
  }
  return UNKNOWN
}

/** Of the quotes of an E'…' literal; `start` is at the opening quote. */
export function escapedEnd(text: Uint8Array, start: number, end: number): number {
  let i = start + 1
  while (i < end) {
    const byte = text[i]
    if (byte === Ascii.backslash) i += 2
    else if (byte !== Ascii.quote) i += 1
    else if (i + 1 < end && text[i + 1] === Ascii.quote) i += 2
    else return i + 1
  }
  return UNKNOWN
}

/** Whether a literal that ends at `at` goes on after a line break, as in 'a' \n 'b'. */
export function isContinued(text: Uint8Array, at: number, end: number): boolean {
  let sawNewline = false
  let i = at
  while (i < end) {
    const byte = text[i]
    if (byte === Ascii.quote) return sawNewline
    if (isLineComment(text, i, end)) i = lineCommentEnd(text, i, end)
    else if ((classAt(text, i) & SPACE) === 0) return false
    else {
      sawNewline ||= byte === Ascii.lineFeed || byte === Ascii.carriageReturn
      i += 1
    }
  }
  return false
}

export function isLineComment(text: Uint8Array, at: number, end: number): boolean {
  return text[at] === Ascii.minus && at + 1 < end && text[at + 1] === Ascii.minus
}

export function isBlockComment(text: Uint8Array, at: number, end: number): boolean {
  return text[at] === Ascii.slash && at + 1 < end && text[at + 1] === Ascii.star
}

/** The line break isn't part of it. */
export function lineCommentEnd(text: Uint8Array, start: number, end: number): number {
  let i = start + 2
  while (i < end && text[i] !== Ascii.lineFeed && text[i] !== Ascii.carriageReturn) i += 1
  return i
}

/** Block comments nest. */
export function blockCommentEnd(text: Uint8Array, start: number, end: number): number {
  let depth = 1
  let i = start + 2
  while (i + 1 < end) {
    const byte = text[i]
    const next = text[i + 1]
    if (byte === Ascii.star && next === Ascii.slash) {
      depth -= 1
      i += 2
      if (depth === 0) return i
    } else if (byte === Ascii.slash && next === Ascii.star) {
      depth += 1
      i += 2
    } else i += 1
  }
  return UNKNOWN
}

/** Of $tag$…$tag$; NONE when this dollar begins none. */
export function dollarQuoteEnd(text: Uint8Array, start: number, end: number): number {
  const bodyStart = dollarTagEnd(text, start, end)
  if (bodyStart < 0) return NONE
  const tagLength = bodyStart - start
  for (let i = bodyStart; i + tagLength <= end; i += 1) {
    if (text[i] === Ascii.dollar && sameBytes(text, i, start, tagLength)) return i + tagLength
  }
  return UNKNOWN
}

/** After the second dollar of the opening tag. */
export function dollarTagEnd(text: Uint8Array, start: number, end: number): number {
  let i = start + 1
  if (i < end && text[i] !== Ascii.dollar) {
    if ((classAt(text, i) & IDENTIFIER_START) === 0) return NONE
    while (i < end && text[i] !== Ascii.dollar && (classAt(text, i) & IDENTIFIER_PART) !== 0) i += 1
  }
  return i < end && text[i] === Ascii.dollar ? i + 1 : NONE
}

function sameBytes(text: Uint8Array, a: number, b: number, length: number): boolean {
  for (let k = 0; k < length; k += 1) if (text[a + k] !== text[b + k]) return false
  return true
}

function digitsEnd(text: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end && (classAt(text, i) & DIGIT) !== 0) i += 1
  return i
}

/**
 * Of the digits of a number, its fraction and its exponent; `start` is at a digit, or at a dot before one. UNKNOWN for
 * what only newer servers know (0x1F, 1_000) and for trailing junk.
 */
export function numberEnd(text: Uint8Array, start: number, end: number): number {
  let i = digitsEnd(text, start, end)
  // in `1..2` the dots are a token of their own
  if (i < end && text[i] === Ascii.dot && !(i + 1 < end && text[i + 1] === Ascii.dot)) {
    i = digitsEnd(text, i + 1, end)
  }
  if (i < end && ((text[i] as number) | 0x20) === 0x65) {
    const hasSign = i + 1 < end && (text[i + 1] === Ascii.plus || text[i + 1] === Ascii.minus)
    const exponent = i + (hasSign ? 2 : 1)
    i = digitsEnd(text, exponent, end)
    if (i === exponent) return UNKNOWN
  }
  return i < end && (classAt(text, i) & IDENTIFIER_PART) !== 0 ? UNKNOWN : i
}
