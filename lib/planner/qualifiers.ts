import type { TextRange } from './plan.ts'
import { refuse } from './refusals.ts'
import type { RangeVar } from './tree.ts'

const DOT = 0x2e
const QUOTE = 0x22

/**
 * The bytes of the qualifier before the last of `parts` names that begin at `start`, dots and blanks between
 * included: `app.public.` of `app.public.events`. An unqualified name gives an empty range.
 */
export function qualifierRange(text: Buffer, start: number, parts: number): TextRange {
  let position = start
  for (let part = 1; part < parts; part += 1) {
    position = skipBlanks(text, identifierEnd(text, position))
    if (text[position] !== DOT) refuse('quoted-unicode', undefined, start)
    position = skipBlanks(text, position + 1)
  }
  if (isUnicodeQuoted(text, start)) refuse('quoted-unicode', undefined, start)
  return { start, end: position }
}

/** The qualifier of a relation's name as written in the text. */
export function relationQualifier(text: Buffer, node: RangeVar): TextRange {
  const parts = [node.catalogname, node.schemaname, node.relname].filter(
    (part) => part !== undefined,
  )
  return qualifierRange(text, node.location ?? 0, parts.length)
}

/** The relation's whole name with its qualifier as written in the text. */
export function relationRange(text: Buffer, node: RangeVar): TextRange {
  const { end } = relationQualifier(text, node)
  return { start: node.location ?? 0, end: identifierEnd(text, end) }
}

/** Where the name that begins at `start` ends; doubled quotes belong to it. */
export function identifierEnd(text: Buffer, start: number): number {
  if (text[start] !== QUOTE) {
    let end = start
    while (isIdentifierByte(text[end])) end += 1
    return end
  }
  let end = text.indexOf(QUOTE, start + 1)
  while (end >= 0 && text[end + 1] === QUOTE) end = text.indexOf(QUOTE, end + 2)
  return end < 0 ? text.length : end + 1
}

/** Blanks and comments; block comments nest. */
export function skipBlanks(text: Buffer, start: number): number {
  let position = start
  for (;;) {
    const byte = text[position]
    if (byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d)) position += 1
    else if (byte === 0x2d && text[position + 1] === 0x2d) position = lineEnd(text, position)
    else if (byte === 0x2f && text[position + 1] === 0x2a) position = commentEnd(text, position)
    else return position
  }
}

function lineEnd(text: Buffer, start: number): number {
  const end = text.indexOf(0x0a, start)
  return end < 0 ? text.length : end + 1
}

function commentEnd(text: Buffer, start: number): number {
  let depth = 0
  let position = start
  while (position < text.length) {
    const pair = ((text[position] ?? 0) << 8) | (text[position + 1] ?? 0)
    if (pair === 0x2f2a) depth += 1
    if (pair === 0x2a2f) depth -= 1
    position += pair === 0x2f2a || pair === 0x2a2f ? 2 : 1
    if (depth === 0) return position
  }
  return position
}

function isIdentifierByte(byte: number | undefined): boolean {
  if (byte === undefined) return false
  if (byte >= 0x80 || byte === 0x5f || byte === 0x24) return true
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a)
  )
}

function isUnicodeQuoted(text: Buffer, start: number): boolean {
  return /^u&"/i.test(text.toString('latin1', start, start + 3))
}
