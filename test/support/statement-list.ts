import type { Parameter } from './raw-client.ts'

/** One statement of a list with what its directives say. */
export type ListedStatement = {
  readonly sql: string
  /** Its ORDER BY is not total: rows are compared as multisets. */
  readonly unordered: boolean
  /** Values of $1…: the statement runs by the extended protocol only. */
  readonly parameters: readonly Parameter[] | undefined
  /** The SQLSTATE that a stock Postgres answers with. */
  readonly error: string | undefined
  /** file:line, for reports. */
  readonly source: string
}

type Directives = {
  unordered: boolean
  parameters: Parameter[] | undefined
  error: string | undefined
}

/**
 * Reads a list: statements that end with a semicolon at the end of a line, each after its directives
 * (`-- unordered`, `-- parameters: [..]` in JSON, `-- error: 22012`). Comments are `-- # …`.
 * Anything else behind `--` at the start of a line throws: a misspelt directive must not go unnoticed.
 */
export function readStatementList(text: string, file: string): ListedStatement[] {
  const statements: ListedStatement[] = []
  let directives = noDirectives()
  let lines: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const where = `${file}:${index + 1}`
    if (lines.length === 0 && line.trim() === '') continue
    if (lines.length === 0 && line.startsWith('--')) {
      readDirective(line, where, directives)
      continue
    }
    lines.push(line)
    if (!line.trimEnd().endsWith(';')) continue
    const sql = lines.join('\n').trimEnd().slice(0, -1)
    statements.push({ sql, source: where, ...directives })
    lines = []
    directives = noDirectives()
  }
  if (lines.length > 0) throw new Error(`${file}: the last statement does not end`)
  return statements
}

function noDirectives(): Directives {
  return { unordered: false, parameters: undefined, error: undefined }
}

function readDirective(line: string, where: string, into: Directives): void {
  if (line.startsWith('-- #')) return
  const [, name, value = ''] = /^-- ([a-z]+)(?:: (.*))?$/.exec(line) ?? []
  if (name === 'unordered') into.unordered = true
  else if (name === 'parameters') into.parameters = JSON.parse(value)
  else if (name === 'error') into.error = value
  else throw new Error(`${where}: no such directive: ${line}`)
}
