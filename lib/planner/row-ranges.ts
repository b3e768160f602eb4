import type { TextRange } from './plan.ts'
import { skipBlanks } from './qualifiers.ts'
import type { InsertStmt, Tree } from './tree.ts'

/** Texts, quoted names, words, comments and parentheses, in latin1. */
export const TOKEN =
  /[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|--[^\n]*|\/\*|[A-Za-z_\x80-\xff][\w$\x80-\xff]*|[()]/g

/** The texts `( … )` of the rows: found from VALUES on, by parentheses outside of quotes. Empty: not sure. */
export function rowRanges(
  text: Buffer,
  insert: InsertStmt,
  rows: readonly Tree[],
): readonly TextRange[] {
  if (insert.withClause !== undefined) return []
  const scan = new RowScan()
  const latin = text.toString('latin1')
  const token = new RegExp(TOKEN)
  for (let match = token.exec(latin); match !== null; match = token.exec(latin)) {
    if (match[0] === '/*') token.lastIndex = skipBlanks(text, match.index)
    else scan.take(match[0], match.index)
    if (scan.ranges.length === rows.length) return scan.ranges
  }
  return []
}

class RowScan {
  readonly ranges: TextRange[] = []
  #depth = 0
  #inValues = false
  #start = 0

  take(token: string, position: number): void {
    if (token === '(') {
      if (this.#depth === 0) this.#start = position
      this.#depth += 1
    } else if (token === ')') this.#close(position + 1)
    else if (this.#depth === 0 && /^values$/i.test(token)) this.#inValues = true
  }

  #close(end: number): void {
    this.#depth -= 1
    if (this.#depth === 0 && this.#inValues) this.ranges.push({ start: this.#start, end })
  }
}
