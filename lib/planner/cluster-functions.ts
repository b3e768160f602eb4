import { CLUSTER_FUNCTIONS } from './cluster-objects.ts'
import type { FunctionPlan, SessionPlan } from './plan.ts'
import { type PlanInput, printExpression } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { quoteLiteral } from './session-commands.ts'
import {
  builtinName,
  type FuncCall,
  type SelectStmt,
  strings,
  type Tree,
  walkTree,
} from './tree.ts'

/** SELECT f(…) or SELECT * FROM f(…) of a function that only the proxy can carry out. */
export function planClusterFunction(
  input: PlanInput,
  select: SelectStmt | undefined,
): FunctionPlan | undefined {
  if (!mentionsClusterFunction(input.statement)) return undefined
  const inList = select === undefined ? undefined : onlyTarget(select)
  const inFrom = select === undefined ? undefined : onlyFromItem(select)
  const call = inList?.FuncCall ?? inFrom
  if (call === undefined || !isClusterFunction(call)) return refuse('cluster-function-context')
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
    name: strings(call.funcname).at(-1) ?? '',
    arguments: (call.args ?? []).map((argument) => ({
      name: argument.NamedArgExpr?.name,
      text: printExpression(input, argument.NamedArgExpr?.arg ?? argument),
    })),
    parameters: [...new Set(parameters)],
    inFrom: inFrom !== undefined,
  }
}

function isClusterFunction(call: FuncCall): boolean {
  const names = strings(call.funcname)
  const schema = names.length > 1 ? names.at(-2) : undefined
  if (schema !== undefined && schema !== 'pg_catalog' && schema !== 'pgloom') return false
  return CLUSTER_FUNCTIONS.has(names.at(-1) ?? '')
}

function mentionsClusterFunction(tree: Tree): boolean {
  let found = false
  walkTree(tree, (kind, node) => {
    if (kind === 'FuncCall' && isClusterFunction(node)) found = true
    return !found
  })
  return found
}

/** Clauses that a statement may not have beside its one function call. */
function isBare(select: SelectStmt): boolean {
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
  return target?.val
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
