import { isRecord } from '../tree.ts'

/** What a body does can't be told, or isn't the same everywhere. */
export class BodyRefused extends Error {}

/** The SQL in a PL/pgSQL function, as libpg_query cuts it out. */
export type PlpgsqlParts = {
  /** Whole statements. */
  readonly queries: string[]
  /** `target := value` */
  readonly assignments: string[]
  /** Of variables, as they were written. */
  readonly types: string[]
  /** It raises notices and the like. */
  speaks: boolean
}

const STATEMENTS: ReadonlySet<string> = new Set(
  'block assign if case loop while fori foreach_a fors exit return raise assert execsql perform'
    .split(' ')
    .map((name) => `PLpgSQL_stmt_${name}`),
)

/** RawParseMode of parser/parser.h */
const STATEMENT = 0
const EXPRESSION = 2
const FIRST_ASSIGNMENT = 3
/** utils/elog.h */
const ERROR = 21

/** Throws for statements that may run others, or keep something between calls. */
export function plpgsqlParts(functions: unknown): PlpgsqlParts {
  const parts: PlpgsqlParts = { queries: [], assignments: [], types: [], speaks: false }
  visit(parts, functions)
  return parts
}

function visit(parts: PlpgsqlParts, value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(parts, item)
    return
  }
  if (!isRecord(value)) return
  for (const [kind, child] of Object.entries(value)) {
    if (kind.startsWith('PLpgSQL_stmt_') && !STATEMENTS.has(kind)) throw new BodyRefused()
    if (isRecord(child)) visitNode(parts, kind, child)
    visit(parts, child)
  }
}

function visitNode(
  parts: PlpgsqlParts,
  kind: string,
  node: Readonly<Record<string, unknown>>,
): void {
  if (kind === 'PLpgSQL_expr') {
    visitQuery(parts, String(node['query'] ?? ''), Number(node['parseMode'] ?? 0))
  }
  if (kind === 'PLpgSQL_type') {
    const type = String(node['typname'] ?? '')
    if (/%|^$/.test(type)) throw new BodyRefused()
    if (type !== 'record') parts.types.push(type)
  }
  if (kind === 'PLpgSQL_stmt_raise' && node['elog_level'] !== ERROR) parts.speaks = true
}

function visitQuery(parts: PlpgsqlParts, text: string, mode: number): void {
  if (mode === STATEMENT) parts.queries.push(text)
  else if (mode === EXPRESSION) parts.queries.push(`SELECT ${text}`)
  else if (mode >= FIRST_ASSIGNMENT) parts.assignments.push(text)
  else throw new BodyRefused()
}

/** `a[f(x)] := g(y)`: what is evaluated on either side. */
export function assignedParts(assignment: string): readonly string[] {
  const at = assignmentAt(assignment)
  const target = assignment.slice(0, at)
  const value = assignment.slice(at).replace(/^:?=/, '')
  return [`SELECT ${target}`, `SELECT ${value}`]
}

/** The first `:=` or `=` outside of brackets and quotes. */
function assignmentAt(text: string): number {
  const token = /"(?:[^"]|"")*"|'(?:[^']|'')*'|[[(]|[\])]|:=|=/g
  let depth = 0
  for (const { 0: found, index } of text.matchAll(token)) {
    if (found === '[' || found === '(') depth += 1
    else if (found === ']' || found === ')') depth -= 1
    else if (/^:?=$/.test(found) && depth === 0) return index
  }
  throw new BodyRefused()
}
