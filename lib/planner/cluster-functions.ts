import {
  ACTIVITY_RELATIONS,
  CLUSTER_FUNCTIONS,
  SIGNAL_FUNCTIONS,
  SPREAD_RELATIONS,
} from './cluster-objects.ts'
import { resultShape, SIZE_FUNCTIONS } from './cluster-results.ts'
import type { FunctionPlan, SessionPlan } from './plan.ts'
import { type PlanInput, printExpression } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { isListSetting, quoteLiteral } from './setting-values.ts'
import {
  builtinName,
  type FuncCall,
  type RangeVar,
  type SelectStmt,
  strings,
  type Tree,
  walkTree,
} from './tree.ts'

/**
 * SELECT f(…) or SELECT * FROM f(…) of a function that only the proxy can carry out; undefined: it is called in another way,
 * or not at all.
 */
export function planClusterFunction(
  input: PlanInput,
  select: SelectStmt | undefined,
): FunctionPlan | undefined {
  if (select === undefined) return undefined
  const inList = onlyTarget(select)
  const inFrom = onlyFromItem(select)
  const call = inList?.FuncCall ?? inFrom
  if (call === undefined || !isClusterFunction(call)) return undefined
  const isRecord = inFrom === undefined && resultShape(functionName(call)).kind === 'rows'
  return isRecord ? undefined : functionPlan(input, call, inFrom !== undefined)
}

/** The call, whose arguments must be of this call alone. */
export function functionPlan(input: PlanInput, call: FuncCall, inFrom: boolean): FunctionPlan {
  const parameters: number[] = []
  walkTree(call, (kind, node) => {
    if (kind === 'FuncCall' && node !== call && isClusterFunction(node)) {
      refuse('cluster-function-context')
    }
    if (kind === 'ParamRef') parameters.push(Number(node['number'] ?? 0))
    if (kind === 'ColumnRef' || kind === 'SubLink') refuse('cluster-function-context')
    return undefined
  })
  return {
    kind: 'function',
    name: functionName(call),
    arguments: (call.args ?? []).map((argument) => ({
      name: argument.NamedArgExpr?.name,
      text: printExpression(input, argument.NamedArgExpr?.arg ?? argument),
    })),
    parameters: [...new Set(parameters)],
    inFrom,
  }
}

function functionName(call: FuncCall): string {
  return strings(call.funcname).at(-1) ?? ''
}

/**
 * The size of a relation named by a constant, which may be a distributed table or an index of one: the shells that stand
 * for them on the coordinator are empty. Relations given by OID are left to Postgres.
 */
export function isSizeCall({ catalog }: PlanInput, call: FuncCall): boolean {
  const name = builtinName(call) ?? ''
  const [first] = call.args ?? []
  const constant = first?.TypeCast?.arg ?? first
  if (!SIZE_FUNCTIONS.has(name) || constant?.A_Const?.sval === undefined) return false
  if (name.startsWith('citus_')) return true
  return [...catalog.tables.values()].some(({ kind }) => kind === 'distributed')
}

/** Whether a statement calls functions that only the proxy can carry out. `withSizes`: those of isSizeCall count too. */
export function callsCluster(input: PlanInput, withSizes: boolean): boolean {
  let found = false
  walkTree(input.statement, (kind, node) => {
    if (kind === 'RangeVar' && isActivityRelation(input, node)) found = true
    if (kind !== 'FuncCall') return !found
    if (isClusterFunction(node) || (withSizes && isSizeCall(input, node))) found = true
    return !found
  })
  return found
}

export function isClusterFunction(call: FuncCall): boolean {
  const names = strings(call.funcname)
  const schema = names.length > 1 ? names.at(-2) : undefined
  if (schema !== undefined && schema !== 'pg_catalog' && schema !== 'pgloom') return false
  return CLUSTER_FUNCTIONS.has(names.at(-1) ?? '') || takesGlobalPid(call)
}

const MAX_INT = 2_147_483_647

function takesGlobalPid(call: FuncCall): boolean {
  const [first] = call.args ?? []
  const constant = first?.TypeCast?.arg ?? first
  const digits = constant?.A_Const?.fval?.fval ?? constant?.A_Const?.sval?.sval ?? ''
  return SIGNAL_FUNCTIONS.has(builtinName(call) ?? '') && Number(digits) > MAX_INT
}

export function isActivityRelation(
  { catalog }: Pick<PlanInput, 'catalog'>,
  { schemaname, relname = '' }: RangeVar,
): boolean {
  const isOurs = schemaname === undefined || schemaname === 'pg_catalog'
  const isSpread = catalog.nodes.length > 1 && SPREAD_RELATIONS.has(relname)
  return isOurs && (isSpread || ACTIVITY_RELATIONS.has(relname))
}

/** Clauses that a statement may not have beside its one function call. */
export function isBare(select: SelectStmt): boolean {
  return (
    select.op !== 'SETOP_UNION' &&
    select.whereClause === undefined &&
    select.groupClause === undefined &&
    select.havingClause === undefined &&
    select.distinctClause === undefined &&
    select.limitCount === undefined &&
    select.limitOffset === undefined &&
    select.withClause === undefined &&
    select.intoClause === undefined
  )
}

function onlyTarget(select: SelectStmt): Tree | undefined {
  const hasOne = select.targetList?.length === 1 && select.fromClause === undefined
  if (!hasOne || !isBare(select) || select.sortClause !== undefined) return undefined
  const target = select.targetList?.[0]?.ResTarget
  return target?.name === undefined ? target?.val : undefined
}

function onlyFromItem(select: SelectStmt): FuncCall | undefined {
  const item = select.fromClause?.[0]?.RangeFunction
  if (select.fromClause?.length !== 1 || item === undefined || !isBare(select)) return undefined
  if (select.sortClause !== undefined || item.ordinality === true) return undefined
  const fields = select.targetList?.[0]?.ResTarget?.val?.ColumnRef?.fields
  const isStar = select.targetList?.length === 1 && fields?.at(-1)?.A_Star !== undefined
  const first = item.functions?.[0]?.List?.items?.[0]?.FuncCall
  return isStar && item.functions?.length === 1 ? first : undefined
}

/** SELECT set_config('name', 'value', is_local) with constants, alone: remembered like SET. */
export function planSetConfig(select: SelectStmt): SessionPlan | undefined {
  const call = onlyTarget(select)?.FuncCall
  if (call === undefined || builtinName(call) !== 'set_config') return undefined
  const [name, value, isLocal] = (call.args ?? []).map((argument) => argument.A_Const)
  const local = isLocal?.boolval
  if (name?.sval?.sval === undefined || value?.sval === undefined || local === undefined) {
    return undefined
  }
  // Postgres' own answer is not what SET takes
  if (isListSetting(name.sval.sval)) return undefined
  return {
    kind: 'session',
    command: {
      kind: 'set',
      name: name.sval.sval,
      isLocal: local.boolval === true,
      value: quoteLiteral(value.sval.sval ?? ''),
    },
  }
}
