import { classifyFunction } from './builtin-functions.ts'
import { METADATA_FUNCTIONS } from './cluster-objects.ts'
import type { UnseenReads } from './plan.ts'
import type { StatementTables } from './table-references.ts'
import { type FuncCall, strings, type Tree, walkTree } from './tree.ts'

const OWN_SCHEMAS: ReadonlySet<string> = new Set([
  'pg_catalog',
  'information_schema',
  'pgloom',
  'pgloom_catalog',
])

/** Built-in functions that run queries they are given as text, or read tables by name. */
const READS_BY_NAME = /_to_xml|^ts_stat$|^ts_rewrite$/

/**
 * How a statement that runs on the coordinator as it is might read distributed tables without naming them: by the bodies
 * of functions, or through views. undefined: it can't.
 */
export function unseenReads(
  kind: string,
  statement: Tree,
  { references }: StatementTables,
): UnseenReads | undefined {
  const runs = runsCode(kind, statement)
  const relations = references.flatMap(({ node, table, role }) => {
    const { schemaname: schema, relname: name = '' } = node
    if (table !== undefined || role === 'created' || OWN_SCHEMAS.has(schema ?? '')) return []
    return [schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`]
  })
  return runs || relations.length > 0 ? { runsCode: runs, relations } : undefined
}

/** Of functions that aren't Postgres' own, of DO and CALL: it may do anything to its session. */
export function runsCode(kind: string, statement: Tree): boolean {
  return kind === 'DoStmt' || kind === 'CallStmt' || callsUserFunction(statement)
}

function callsUserFunction(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    if (kind === 'FuncCall' && mayReadTables(node)) found = true
    return !found
  })
  return found
}

function mayReadTables(call: FuncCall): boolean {
  const names = strings(call.funcname)
  const name = names.at(-1) ?? ''
  if (READS_BY_NAME.test(name)) return true
  if (names.length > 1) return !OWN_SCHEMAS.has(names.at(-2) ?? '')
  const isOurs = name.startsWith('pg_') || METADATA_FUNCTIONS.has(name)
  return !isOurs && classifyFunction(name) === 'unknown'
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
