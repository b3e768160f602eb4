import { classifyFunction } from './builtin-functions.ts'
import { METADATA_FUNCTIONS } from './cluster-objects.ts'
import type { Plan, UnseenReads } from './plan.ts'
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
  if (!runs && relations.length === 0) return undefined
  return { runsCode: runs, relations, writes: WRITES.has(kind), code: ownCode(kind, statement) }
}

const WRITES: ReadonlySet<string> = new Set([
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'CopyStmt',
  'TruncateStmt',
])

/** What it runs besides functions that are in the catalogs: a DO block, queries given as text. */
function ownCode(kind: string, statement: Tree): string {
  if (kind === 'DoStmt') return JSON.stringify(statement)
  let code = ''
  walkTree(statement, (nodeKind, node) => {
    if (
      nodeKind === 'FuncCall' &&
      READS_BY_NAME.test(strings((node as FuncCall).funcname).at(-1) ?? '')
    ) {
      code = 'EXECUTE'
    }
    return undefined
  })
  return code
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

const CODE_ONLY: UnseenReads = { runsCode: true, relations: [], writes: false, code: '' }

/** Of a plan of any kind; what shards and cluster functions do is not meant, they run no code of the user's. */
export function unseenReadsOf(plan: Plan): UnseenReads | undefined {
  switch (plan.kind) {
    case 'local':
      return plan.unseenReads
    case 'select':
    case 'modify':
    case 'insert-rows':
      return plan.routed.runsCode ? CODE_ONLY : undefined
    case 'pulled':
      return plan.local.unseenReads
    case 'insert-through-scratch':
      return plan.unseenReads
    case 'copy-query':
      return unseenReadsOf(plan.query)
    case 'explain':
      return plan.analyzes ? unseenReadsOf(plan.statement) : undefined
    case 'declare-cursor':
      return unseenReadsOf(plan.statement)
    default:
      return undefined
  }
}
