import { Ascii } from './characters.ts'
import { SpanType } from './lexer.ts'
import { dollarTagEnd } from './token-ends.ts'

/**
 * What a literal's span denotes, as the text that an input function would get: quotes taken off, escapes resolved, numbers
 * as written. undefined when it isn't plainly known (bit strings, comments, escapes that make no valid UTF-8).
 */
export function literalText(
  text: Buffer,
  start: number,
  end: number,
  type: number,
): string | undefined {
  switch (type) {
    case SpanType.string:
      return unquoted(text, start + 1, end - 1)
    case SpanType.escapeString:
      return unescaped(text, start + 2, end - 1)
    case SpanType.dollarString: {
      const tagLength = dollarTagEnd(text, start, end) - start
      return text.toString('utf8', start + tagLength, end - tagLength)
    }
    case SpanType.integer:
    case SpanType.longInteger:
    case SpanType.float:
      return text.toString('latin1', start, end)
    default:
      return undefined
  }
}

const MAX_SAFE_DIGITS = 15

/** The integer that the digits text[start, end) mean, or -1 when there are too many or it isn't one. Allocates nothing. */
export function literalInteger(text: Uint8Array, start: number, end: number): number {
  if (end - start > MAX_SAFE_DIGITS || end <= start) return -1
  let value = 0
  for (let i = start; i < end; i += 1) {
    const digit = (text[i] as number) - Ascii.zero
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

function unquoted(text: Buffer, start: number, end: number): string {
  const raw = text.toString('utf8', start, end)
  return raw.includes("'") ? raw.replaceAll("''", "'") : raw
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = { b: 8, f: 12, n: 10, r: 13, t: 9 }

/** Octal and hex escapes are bytes, \u and \U code points (surrogates may come in pairs). */
const ESCAPE =
  /\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\s\S]))|''/g

function unescaped(text: Buffer, start: number, end: number): string | undefined {
  const raw = text.toString('utf8', start, end)
  if (!raw.includes('\\')) return raw.replaceAll("''", "'")
  // bytes that escapes make up aren't worth decoding: whoever writes them gets the long way
  let isPlain = true
  const value = raw.replace(ESCAPE, (match, octal, hex, unicode, longUnicode, other) => {
    if (match === "''") return "'"
    if (other !== undefined) return simpleEscape(other)
    const isByte = octal !== undefined || hex !== undefined
    const code = Number.parseInt(
      octal ?? hex ?? unicode ?? longUnicode,
      octal === undefined ? 16 : 8,
    )
    isPlain &&= isByte ? code > 0 && code < 128 : isScalarValue(code)
    return isPlain ? String.fromCodePoint(code) : ''
  })
  return isPlain ? value : undefined
}

function simpleEscape(character: string): string {
  const code = SIMPLE_ESCAPES[character]
  return code === undefined ? character : String.fromCharCode(code)
}

function isScalarValue(code: number): boolean {
  return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
}
