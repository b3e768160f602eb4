import { Ascii, CLASS_OF_BYTE, DIGIT, IDENTIFIER_PART, IDENTIFIER_START } from './characters.ts'
import {
  blockCommentEnd,
  dollarQuoteEnd,
  escapedEnd,
  isBlockComment,
  isContinued,
  isLineComment,
  lineCommentEnd,
  NONE,
  numberEnd,
  quotedEnd,
  UNKNOWN,
} from './token-ends.ts'

/** What a span is. Texts whose spans differ in type are of different shape. */
export const SpanType = {
  /** '…' */
  string: 1,
  /** E'…' */
  escapeString: 2,
  /** $tag$…$tag$ */
  dollarString: 3,
  /** B'…' or X'…' */
  bitString: 4,
  /** Up to nine digits: surely an ICONST of the grammar. */
  integer: 5,
  /** Ten digits or more: perhaps beyond 31 bits, which the grammar reads as FCONST. */
  longInteger: 6,
  float: 7,
  /** Comments may differ within a shape, as literals may, so they are counted with them. */
  comment: 8,
} as const

export type SpanType = (typeof SpanType)[keyof typeof SpanType]

const INITIAL_SPANS = 256
const MAX_SPANS = 1 << 20
const HASH_PRIME = 0x01000193

/**
 * The literals and comments of one text in order, as offsets into the buffer that was lexed. Reused from text to text:
 * valid until the next lexStatement into it.
 */
export class LexResult {
  count = 0
  starts: Int32Array
  ends: Int32Array
  types: Uint8Array
  /** Of all tokens' first byte, last byte and length; says nothing about equality. */
  hash = 0
  /** Offset of the first semicolon, or -1. */
  semicolon = -1
  /** More than blanks and comments follow a semicolon. */
  isScript = false

  constructor(initialSpans = INITIAL_SPANS) {
    this.starts = new Int32Array(initialSpans)
    this.ends = new Int32Array(initialSpans)
    this.types = new Uint8Array(initialSpans)
  }

  /** false: too many. */
  add(start: number, end: number, type: SpanType): boolean {
    const at = this.count
    if (at === this.starts.length && !this.#grow()) return false
    this.starts[at] = start
    this.ends[at] = end
    this.types[at] = type
    this.hash = Math.imul(this.hash ^ (type << 24), HASH_PRIME)
    this.count = at + 1
    return true
  }

  #grow(): boolean {
    const size = this.starts.length * 4
    if (size > MAX_SPANS) return false
    const { starts, ends, types } = this
    this.starts = new Int32Array(size)
    this.ends = new Int32Array(size)
    this.types = new Uint8Array(size)
    this.starts.set(starts)
    this.ends.set(ends)
    this.types.set(types)
    return true
  }
}

/**
 * Finds the literals and comments of text[start, end), allocating nothing. The spans of literals are exactly those of
 * Postgres' scanner with standard_conforming_strings on. false: it is better left to the parser (U&'…', N'…', 'a' newline 'b',
 * 0x1F, 1_000, $1a, something unterminated, a zero byte, a million literals); `into` is then meaningless.
 */
export function lexStatement(
  text: Uint8Array,
  start: number,
  end: number,
  into: LexResult,
  seed = 0,
): boolean {
  into.count = 0
  into.hash = seed
  into.semicolon = -1
  into.isScript = false
  let i = start
  while (i < end) {
    const byte = text[i] as number
    const kind = CLASS_OF_BYTE[byte] as number
    if ((kind & IDENTIFIER_START) !== 0) i = lexWord(text, i, end, into)
    else if (IS_SPECIAL[byte] === 0) {
      into.hash = Math.imul(into.hash ^ byte, HASH_PRIME)
      i += 1
    } else i = lexSpecial(text, i, end, into)
    if (i < 0) return false
  }
  if (into.semicolon >= 0) into.isScript = hasMore(text, into.semicolon, end, into)
  return true
}

/** Bytes that may begin a literal, a comment, a quoted name or the next statement. */
const IS_SPECIAL = new Uint8Array(256)
for (const byte of `'"$-/.;0123456789\0`) IS_SPECIAL[byte.charCodeAt(0)] = 1

function lexWord(text: Uint8Array, start: number, end: number, into: LexResult): number {
  let i = start + 1
  while (i < end && ((CLASS_OF_BYTE[text[i] as number] as number) & IDENTIFIER_PART) !== 0) i += 1
  const length = i - start
  if (length === 1 && i < end) {
    const next = text[i]
    if (next === Ascii.quote || next === Ascii.ampersand) return lexPrefixed(text, start, end, into)
  }
  const first = text[start] as number
  const last = text[i - 1] as number
  into.hash = Math.imul(into.hash ^ (first | (length << 8) | (last << 16)), HASH_PRIME)
  return i
}

/** A single letter before a quote or an ampersand: E'…', B'…', X'…', N'…', U&'…', U&"…", or just a name. */
function lexPrefixed(text: Uint8Array, start: number, end: number, into: LexResult): number {
  const letter = (text[start] as number) | 0x20
  const quote = start + 1
  if (text[quote] === Ascii.ampersand) {
    const next = quote + 1 < end ? text[quote + 1] : 0
    const isUnicode = letter === 0x75 && (next === Ascii.quote || next === Ascii.doubleQuote)
    if (isUnicode) return UNKNOWN
  } else {
    if (letter === 0x65) {
      return literal(text, start, escapedEnd(text, quote, end), end, SpanType.escapeString, into)
    }
    if (letter === 0x62 || letter === 0x78) {
      return literal(text, start, quotedEnd(text, quote, end), end, SpanType.bitString, into)
    }
    if (letter === 0x6e) return UNKNOWN
  }
  into.hash = Math.imul(into.hash ^ (text[start] as number), HASH_PRIME)
  return quote
}

function literal(
  text: Uint8Array,
  start: number,
  literalEnd: number,
  end: number,
  type: SpanType,
  into: LexResult,
): number {
  if (literalEnd < 0 || literalEnd > end || isContinued(text, literalEnd, end)) return UNKNOWN
  return into.add(start, literalEnd, type) ? literalEnd : UNKNOWN
}

function lexSpecial(text: Uint8Array, at: number, end: number, into: LexResult): number {
  const byte = text[at] as number
  switch (byte) {
    case Ascii.quote:
      return literal(text, at, quotedEnd(text, at, end), end, SpanType.string, into)
    case Ascii.doubleQuote:
      return quotedName(text, at, end, into)
    case Ascii.dollar:
      return lexDollar(text, at, end, into)
    case Ascii.minus:
      if (!isLineComment(text, at, end)) break
      return comment(at, lineCommentEnd(text, at, end), into)
    case Ascii.slash:
      if (!isBlockComment(text, at, end)) break
      return comment(at, blockCommentEnd(text, at, end), into)
    case Ascii.dot:
      // `1..2` has no .2 in it
      if (at + 1 < end && text[at + 1] === Ascii.dot) return dotDot(at, into)
      if (at + 1 >= end || !isDigit(text, at + 1)) break
      return lexNumber(text, at, end, into)
    case Ascii.semicolon:
      if (into.semicolon < 0) into.semicolon = at
      break
    case 0:
      return UNKNOWN
    default:
      return lexNumber(text, at, end, into)
  }
  into.hash = Math.imul(into.hash ^ byte, HASH_PRIME)
  return at + 1
}

function dotDot(at: number, into: LexResult): number {
  into.hash = Math.imul(into.hash ^ (Ascii.dot << 8), HASH_PRIME)
  return at + 2
}

function isDigit(text: Uint8Array, at: number): boolean {
  return ((CLASS_OF_BYTE[text[at] as number] as number) & DIGIT) !== 0
}

function comment(start: number, commentEnd: number, into: LexResult): number {
  return commentEnd >= 0 && into.add(start, commentEnd, SpanType.comment) ? commentEnd : UNKNOWN
}

function quotedName(text: Uint8Array, start: number, end: number, into: LexResult): number {
  const after = quotedEnd(text, start, end)
  const second = text[start + 1] as number
  into.hash = Math.imul(into.hash ^ (second | ((after - start) << 8)), HASH_PRIME)
  return after
}

function lexDollar(text: Uint8Array, start: number, end: number, into: LexResult): number {
  if (start + 1 < end && isDigit(text, start + 1)) return lexParameter(text, start, end, into)
  const after = dollarQuoteEnd(text, start, end)
  if (after === NONE || after === UNKNOWN) return UNKNOWN
  return into.add(start, after, SpanType.dollarString) ? after : UNKNOWN
}

function lexParameter(text: Uint8Array, start: number, end: number, into: LexResult): number {
  let number = 0
  let i = start + 1
  while (i < end && isDigit(text, i)) {
    number = (Math.imul(number, 10) + (text[i] as number)) | 0
    i += 1
  }
  into.hash = Math.imul(into.hash ^ (Ascii.dollar | (number << 8)), HASH_PRIME)
  const isJunk = i < end && ((CLASS_OF_BYTE[text[i] as number] as number) & IDENTIFIER_PART) !== 0
  return isJunk ? UNKNOWN : i
}

const MAX_SURE_DIGITS = 9

function lexNumber(text: Uint8Array, start: number, end: number, into: LexResult): number {
  let i = start
  while (i < end && isDigit(text, i)) i += 1
  const after = numberEnd(text, start, end)
  if (after < 0) return UNKNOWN
  let type: SpanType = SpanType.float
  if (after === i) type = i - start > MAX_SURE_DIGITS ? SpanType.longInteger : SpanType.integer
  return into.add(start, after, type) ? after : UNKNOWN
}

/** Whether anything but blanks, comments and semicolons follows. */
function hasMore(text: Uint8Array, semicolon: number, end: number, into: LexResult): boolean {
  let span = 0
  let i = semicolon + 1
  while (i < end) {
    while (span < into.count && (into.ends[span] as number) <= i) span += 1
    const isComment =
      span < into.count && into.starts[span] === i && into.types[span] === SpanType.comment
    if (isComment) i = into.ends[span] as number
    else if (!isBlankOrSemicolon(text[i] as number)) return true
    else i += 1
  }
  return false
}

function isBlankOrSemicolon(byte: number): boolean {
  return byte === Ascii.semicolon || byte === 0x20 || (byte >= 9 && byte <= 13)
}
