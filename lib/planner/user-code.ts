import { classifyFunction } from './builtin-functions.ts'
import { METADATA_FUNCTIONS } from './cluster-objects.ts'
import { type FuncCall, strings, type Tree, walkTree } from './tree.ts'

const OWN_SCHEMAS: ReadonlySet<string> = new Set([
  'pg_catalog',
  'information_schema',
  'pgloom',
  'pgloom_catalog',
])

/** Built-in functions that run queries they are given as text, or read tables by name. */
const READS_BY_NAME = /_to_xml|^ts_stat$|^ts_rewrite$/

/** Of functions that aren't Postgres' own, of DO and CALL: it may do anything to its session. */
export function runsCode(kind: string, statement: Tree): boolean {
  return kind === 'DoStmt' || kind === 'CallStmt' || callsUserFunction(statement)
}

function callsUserFunction(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    if (kind === 'FuncCall' && mayRunCode(node)) found = true
    return !found
  })
  return found
}

function mayRunCode(call: FuncCall): boolean {
  const names = strings(call.funcname)
  const name = names.at(-1) ?? ''
  if (READS_BY_NAME.test(name)) return true
  if (names.length > 1) return !OWN_SCHEMAS.has(names.at(-2) ?? '')
  const isOurs = name.startsWith('pg_') || METADATA_FUNCTIONS.has(name)
  return !isOurs && classifyFunction(name) === 'unknown'
}
