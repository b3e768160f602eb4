import type { RawStmt } from '@pgsql/types'
import { Ascii } from './characters.ts'
import { type ByteRange, skipBlanks, tokenEnd } from './text-navigation.ts'

/**
 * The statements of a script between their semicolons, from the first token on, empty ones left out; the same ranges as the
 * parser's, but in the body of a BEGIN ATOMIC routine, where semicolons are part of the statement. So these ranges are
 * good for looking statements up in a cache of what the parser has seen; when one isn't found, parse the whole
 * script and use statementRange.
 */
export function splitScript(text: Uint8Array, start = 0, end: number = text.length): ByteRange[] {
  const ranges: ByteRange[] = []
  let first = skipBlanks(text, start, end)
  for (let i = first; i < end; ) {
    if (text[i] === Ascii.semicolon) {
      if (i > first) ranges.push({ start: first, end: i })
      i = skipBlanks(text, i + 1, end)
      first = i
    } else i = skipBlanks(text, tokenEnd(text, i, end), end)
  }
  if (first < end) ranges.push({ start: first, end })
  return ranges
}

/** The range of a parsed statement within its script. Locations inside its tree count from the script's start. */
export function statementRange(statement: RawStmt, scriptLength: number): ByteRange {
  const start = statement.stmt_location ?? 0
  const length = statement.stmt_len ?? 0
  return { start, end: length === 0 ? scriptLength : start + length }
}
