import { Ascii, CLASS_OF_BYTE, DIGIT, IDENTIFIER_START, SPACE } from './characters.ts'
import {
  blockCommentEnd,
  dollarQuoteEnd,
  escapedEnd,
  isBlockComment,
  isLineComment,
  lineCommentEnd,
  NONE,
  numberEnd,
  quotedEnd,
  wordEnd,
} from './token-ends.ts'

/** A byte range of a text, [start, end). */
export type ByteRange = { readonly start: number; readonly end: number }

/*
 * Steps over a text that the parser has accepted, or that it will get to see: on anything unterminated they stop at the end.
 */

/** After white space and comments. */
export function skipBlanks(text: Uint8Array, at: number, end: number = text.length): number {
  let i = at
  while (i < end) {
    if (((CLASS_OF_BYTE[text[i] as number] as number) & SPACE) !== 0) i += 1
    else if (isLineComment(text, i, end)) i = lineCommentEnd(text, i, end)
    else if (isBlockComment(text, i, end)) i = orEnd(blockCommentEnd(text, i, end), end)
    else return i
  }
  return i
}

function orEnd(after: number, end: number): number {
  return after < 0 || after > end ? end : after
}

/** After the token that begins at `at`; of an operator only one character. */
export function tokenEnd(text: Uint8Array, at: number, end: number = text.length): number {
  const byte = text[at] as number
  const kind = CLASS_OF_BYTE[byte] as number
  if ((kind & IDENTIFIER_START) !== 0) return wordOrPrefixedEnd(text, at, end)
  if (byte === Ascii.quote || byte === Ascii.doubleQuote)
    return orEnd(quotedEnd(text, at, end), end)
  if ((kind & DIGIT) !== 0) {
    const after = numberEnd(text, at, end)
    return after < 0 ? wordEnd(text, at, end) : after
  }
  if (byte === Ascii.dollar) return dollarEnd(text, at, end)
  return at + 1
}

function wordOrPrefixedEnd(text: Uint8Array, at: number, end: number): number {
  const after = wordEnd(text, at, end)
  if (after - at !== 1 || after >= end) return after
  const letter = (text[at] as number) | 0x20
  const isUnicode =
    letter === 0x75 && text[after] === Ascii.ampersand && isQuote(text, after + 1, end)
  if (isUnicode) return orEnd(quotedEnd(text, after + 1, end), end)
  if (text[after] !== Ascii.quote) return after
  if (letter === 0x65) return orEnd(escapedEnd(text, after, end), end)
  return after
}

function isQuote(text: Uint8Array, at: number, end: number): boolean {
  return at < end && (text[at] === Ascii.quote || text[at] === Ascii.doubleQuote)
}

function dollarEnd(text: Uint8Array, at: number, end: number): number {
  const after = dollarQuoteEnd(text, at, end)
  return after === NONE ? wordEnd(text, at, end) : orEnd(after, end)
}

/** After the identifier (or keyword) that begins at `at`, also of a quoted one; `at` itself when none begins there. */
export function identifierEnd(text: Uint8Array, at: number, end: number = text.length): number {
  if (at >= end) return at
  const byte = text[at] as number
  if (byte === Ascii.doubleQuote) return orEnd(quotedEnd(text, at, end), end)
  const isWord = ((CLASS_OF_BYTE[byte] as number) & IDENTIFIER_START) !== 0
  return isWord ? wordOrPrefixedEnd(text, at, end) : at
}

/** The identifiers of `a . "b" /* … *​/ . c`, each as its own range; empty when no name begins at `at`. */
export function qualifiedNameParts(
  text: Uint8Array,
  at: number,
  end: number = text.length,
): readonly ByteRange[] {
  const parts: ByteRange[] = []
  let start = at
  for (;;) {
    const after = identifierEnd(text, start, end)
    if (after === start) return parts
    parts.push({ start, end: after })
    const dot = skipBlanks(text, after, end)
    if (dot >= end || text[dot] !== Ascii.dot) return parts
    start = skipBlanks(text, dot + 1, end)
  }
}

/** After `ident(.ident)*`; a star after the last dot isn't part of it. */
export function qualifiedNameEnd(text: Uint8Array, at: number, end: number = text.length): number {
  return qualifiedNameParts(text, at, end).at(-1)?.end ?? at
}

/** The offset of the parenthesis that closes the one at `open`, or -1. */
export function matchingParenthesis(
  text: Uint8Array,
  open: number,
  end: number = text.length,
): number {
  let depth = 0
  for (let i = open; i < end; i = skipBlanks(text, tokenEnd(text, i, end), end)) {
    if (text[i] === Ascii.open) depth += 1
    else if (text[i] === Ascii.close) {
      depth -= 1
      if (depth === 0) return i
    }
  }
  return -1
}

/** Whether the token [start, end) is the keyword, which is given in lower case. */
export function isKeyword(text: Uint8Array, start: number, end: number, keyword: string): boolean {
  if (end - start !== keyword.length) return false
  for (let k = 0; k < keyword.length; k += 1) {
    if (((text[start + k] as number) | 0x20) !== keyword.charCodeAt(k)) return false
  }
  return true
}

/**
 * The rows `( … )` of the VALUES list that belongs to the INSERT itself, not to a query inside parentheses. undefined when
 * there is none, or it can't be told. The caller checks their number against the tree.
 */
export function valuesRows(
  text: Uint8Array,
  from = 0,
  end: number = text.length,
): readonly ByteRange[] | undefined {
  const keyword = findTopLevelKeyword(text, skipBlanks(text, from, end), end, 'values')
  if (keyword < 0) return undefined
  const rows: ByteRange[] = []
  let at = skipBlanks(text, keyword + 'values'.length, end)
  while (at < end && text[at] === Ascii.open) {
    const close = matchingParenthesis(text, at, end)
    if (close < 0) return undefined
    rows.push({ start: at, end: close + 1 })
    const comma = skipBlanks(text, close + 1, end)
    if (comma >= end || text[comma] !== Ascii.comma) return rows
    at = skipBlanks(text, comma + 1, end)
  }
  return undefined
}

/** Outside of parentheses, and not as an alias after AS. `from` is at a token. -1 when there is none. */
export function findTopLevelKeyword(
  text: Uint8Array,
  from: number,
  end: number,
  keyword: string,
): number {
  let isAlias = false
  for (let i = from; i < end; ) {
    if (text[i] === Ascii.open) {
      i = matchingParenthesis(text, i, end)
      if (i < 0) return -1
    }
    const after = tokenEnd(text, i, end)
    if (!isAlias && isKeyword(text, i, after, keyword)) return i
    isAlias = isKeyword(text, i, after, 'as')
    i = skipBlanks(text, after, end)
  }
  return -1
}
