import type { UserCode } from '../catalog/catalog.ts'
import { classifyFunction } from './builtin-functions.ts'
import { METADATA_FUNCTIONS } from './cluster-objects.ts'
import { type FunctionWorld, isUnproven, provenClass } from './functions/proven-functions.ts'
import type { PlanInput } from './plan-input.ts'
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

/** What the statement says or what hangs on its relations may do anything to its session. */
export function runsCode(
  input: PlanInput,
  kind: string,
  { references }: StatementTables,
  isReadOnly: boolean,
): boolean {
  const { catalog } = input
  const relations = isReadOnly ? catalog.userCode?.reads : catalog.userCode?.writes
  return (
    callsCode(kind, input) ||
    (relations !== undefined &&
      relations.size > 0 &&
      references.some(({ node }) => relations.has(node.relname ?? '')))
  )
}

/**
 * Of functions and operators that aren't Postgres' own, or might not be, of DO and CALL. A REFRESH, an INSERT by its plan, is told of
 * all functions: what has been proven of one may not be so any more when it runs with another role's rights.
 */
export function callsCode(kind: string, input: PlanInput): boolean {
  if (kind === 'DoStmt' || kind === 'CallStmt') return true
  const world = kind === 'SelectStmt' || kind === '' ? input : undefined
  let found = false
  walkTree(input.statement, (nodeKind, node) => {
    if (nodeKind === 'FuncCall' && mayRunCode(node, world)) found = true
    if (readsUnproven(nodeKind, node, input)) found = true
    if (mayBeShadowed(nodeKind, node, input.catalog.userCode, world)) found = true
    return !found
  })
  return found
}

/** Whether it calls something of the user's that bears the name of a function or an operator of Postgres'. */
export function callsShadowed(
  statement: Tree,
  userCode: UserCode | undefined,
  world?: FunctionWorld,
): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    if (mayBeShadowed(kind, node, userCode, world)) found = true
    return !found
  })
  return found
}

/** Whether it calls a function of the user's that may give something else on another node, or do so only once for a node. */
export function callsUnproven(input: PlanInput): boolean {
  let found = false
  walkTree(input.statement, (kind, node) => {
    if (kind === 'FuncCall' && isUnproven(input, node)) found = true
    if (readsUnproven(kind, node, input)) found = true
    return !found
  })
  return found
}

type Fields = Readonly<Record<string, unknown>>

/** `(x).f` may be a call of f(x). */
function readsUnproven(kind: string, node: Fields, world: FunctionWorld): boolean {
  if (kind !== 'A_Indirection') return false
  const steps = (node['indirection'] ?? []) as readonly Tree[]
  return steps.some((step) => step.String !== undefined && isUnproven(world, { funcname: [step] }))
}

/** `world`: what is proven to do the same on every node is as good as Postgres' own. */
function mayBeShadowed(
  kind: string,
  node: Fields,
  userCode: UserCode | undefined,
  world: FunctionWorld | undefined,
): boolean {
  if (userCode === undefined) return false
  const { functions, operators } = userCode
  if (kind === 'FuncCall' && functions.size > 0) {
    const names = strings((node as FuncCall).funcname)
    const isShadowed = names.length === 1 && functions.has(names[0] ?? '')
    return isShadowed && (world === undefined || !isAsGood(world, node))
  }
  if (kind !== 'A_Expr' || operators.size === 0) return false
  const names = strings(node['name'] as readonly Tree[] | undefined)
  return names.length === 1 && operators.has(names[0] ?? '')
}

function isAsGood(world: FunctionWorld, call: FuncCall): boolean {
  const isPlain = /^(immutable|stable)$/
  const own = classifyFunction(strings(call.funcname)[0] ?? '')
  return isPlain.test(own) && isPlain.test(provenClass(world, call) ?? '')
}

function mayRunCode(call: FuncCall, world: FunctionWorld | undefined): boolean {
  const names = strings(call.funcname)
  const name = names.at(-1) ?? ''
  if (READS_BY_NAME.test(name)) return true
  const isQualified = names.length > 1
  const isOurs = isQualified
    ? OWN_SCHEMAS.has(names.at(-2) ?? '')
    : name.startsWith('pg_') || METADATA_FUNCTIONS.has(name) || classifyFunction(name) !== 'unknown'
  return !isOurs && (world === undefined || provenClass(world, call) === undefined)
}
