import { classifyFunction } from './builtin-functions.ts'
import { type FunctionWorld, provenClass } from './functions/proven-functions.ts'
import { outputName } from './output-names.ts'
import { refuse } from './refusals.ts'
import {
  builtinName,
  type FuncCall,
  isRecord,
  mapTree,
  type SubLink,
  type Tree,
  walkTree,
} from './tree.ts'

/** A call of an aggregate at this query level (windows aside). Unknown functions are refused elsewhere. */
export function isAggregateCall(call: FuncCall): boolean {
  if (call.over !== undefined) return false
  if (call.agg_star === true || call.agg_distinct === true || call.agg_within_group === true)
    return true
  if (call.agg_filter !== undefined || call.agg_order !== undefined) return true
  const name = builtinName(call)
  return name !== undefined && classifyFunction(name) === 'aggregate'
}

/** An aggregate at this query level: a call, JSON_ARRAYAGG() or JSON_OBJECTAGG(). */
export function isAggregate({ FuncCall, JsonArrayAgg, JsonObjectAgg }: Tree): boolean {
  if (FuncCall !== undefined) return isAggregateCall(FuncCall)
  const json = JsonArrayAgg ?? JsonObjectAgg
  return json !== undefined && json['constructor']?.over === undefined
}

/** Visits the nodes of expressions at this query level: sublinks' inner queries are left out. */
export function visitLevel(value: unknown, visit: (tree: Tree) => boolean | undefined): void {
  if (Array.isArray(value)) {
    for (const item of value) visitLevel(item, visit)
    return
  }
  if (!isRecord(value)) return
  if (visit(value as Tree) === false) return
  for (const [field, child] of Object.entries(value)) {
    if (field !== 'subselect') visitLevel(child, visit)
  }
}

export function hasAggregate(values: unknown): boolean {
  let found = false
  visitLevel(values, (node) => {
    if (isAggregate(node)) found = true
    return !found
  })
  return found
}

export function hasSubLink(values: unknown): boolean {
  let found = false
  visitLevel(values, ({ SubLink }) => {
    if (SubLink !== undefined) found = true
    return !found
  })
  return found
}

/** Any but those that read nothing. */
export function hasReadingSubLink(values: unknown): boolean {
  let found = false
  visitLevel(values, ({ SubLink }) => {
    if (SubLink !== undefined && !isValueLink(SubLink)) found = true
    return !found
  })
  return found
}

/** Whose subquery, `SELECT 5::bigint AS count`, is made of constants alone: it may stand wherever a constant may. */
export function isValueLink({ subselect }: SubLink): boolean {
  const { targetList, whereClause, limitOption, op, ...others } = subselect?.SelectStmt ?? {
    fromClause: [],
  }
  if (Object.keys(others).length > 0) return false
  let isConstant = true
  walkTree({ targetList, whereClause }, (kind, node) => {
    const isCall = kind === 'FuncCall' && builtinName(node) !== 'unnest'
    if (isCall || NOT_CONSTANT.has(kind)) isConstant = false
    return isConstant
  })
  return isConstant
}

const NOT_CONSTANT: ReadonlySet<string> = new Set(['ColumnRef', 'SubLink', 'SQLValueFunction'])

const TIME_FUNCTIONS: ReadonlySet<string> = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
])

const TIME_TYPES: Readonly<Record<string, string>> = {
  SVFOP_CURRENT_TIMESTAMP: 'timestamptz',
  SVFOP_CURRENT_TIMESTAMP_N: 'timestamptz',
  SVFOP_LOCALTIMESTAMP: 'timestamp',
  SVFOP_LOCALTIMESTAMP_N: 'timestamp',
  SVFOP_CURRENT_DATE: 'date',
  SVFOP_CURRENT_TIME: 'timetz',
  SVFOP_CURRENT_TIME_N: 'timetz',
  SVFOP_LOCALTIME: 'time',
  SVFOP_LOCALTIME_N: 'time',
}

/** now() and its kin become this node, which is later given the number of the time's parameter. */
export const TIME_PARAMETER = 1_000_000

export function replaceTime<T extends Tree>(statement: T): T {
  const replaced = mapTree(statement, (node) => {
    if (node.ResTarget?.val !== undefined) return renamedTarget(node)
    return timeNode(node)
  })
  return replaced as T
}

/** A target that changes keeps the name that it would have had. */
function renamedTarget(node: Tree): Tree | undefined {
  const target = node.ResTarget
  if (target?.val === undefined) return undefined
  const value = replaceTime(target.val)
  if (value === target.val) return node
  return { ResTarget: { ...target, name: target.name ?? outputName(target.val), val: value } }
}

function timeNode(node: Tree): Tree | undefined {
  const call = node.FuncCall
  if (
    call !== undefined &&
    call.args === undefined &&
    TIME_FUNCTIONS.has(builtinName(call) ?? '')
  ) {
    return timeParameter()
  }
  const type = TIME_TYPES[node.SQLValueFunction?.op ?? '']
  if (type === undefined) return undefined
  const precision = node.SQLValueFunction?.typmod
  const isDefault = precision === undefined || precision < 0
  const isPrecise = /_N$/.test(node.SQLValueFunction?.op ?? '')
  return castTo(timeParameter(), type, isDefault && !isPrecise ? undefined : (precision ?? 0))
}

function timeParameter(): Tree {
  return castTo({ ParamRef: { number: TIME_PARAMETER } }, 'timestamptz', undefined)
}

export function castTo(arg: Tree, type: string, precision: number | undefined): Tree {
  const typmods = precision === undefined ? {} : { typmods: [integer(precision)] }
  const names = [{ String: { sval: 'pg_catalog' } }, { String: { sval: type } }]
  return { TypeCast: { arg, typeName: { names, ...typmods, typemod: -1 } } }
}

export function integer(value: number): Tree {
  return { A_Const: { ival: value === 0 ? {} : { ival: value } } }
}

export function call(name: string, args: readonly Tree[]): Tree {
  return {
    FuncCall: {
      funcname: [{ String: { sval: name } }],
      args,
      funcformat: 'COERCE_EXPLICIT_CALL',
    },
  }
}

export function operator(name: string, left: Tree, right: Tree): Tree {
  return {
    A_Expr: { kind: 'AEXPR_OP', name: [{ String: { sval: name } }], lexpr: left, rexpr: right },
  }
}

/** Numbers the parameters $1, $2 … in order of their old numbers; the time's comes last. */
export function renumberParameters(tree: Tree): {
  readonly tree: Tree
  readonly parameters: readonly number[]
  readonly usesTime: boolean
} {
  const used = new Set<number>()
  mapTree(tree, ({ ParamRef }) => {
    if (ParamRef !== undefined) used.add(ParamRef.number ?? 0)
    return undefined
  })
  const usesTime = used.delete(TIME_PARAMETER)
  const parameters = [...used].sort((left, right) => left - right)
  const numbered = mapTree(tree, ({ ParamRef }) => {
    if (ParamRef === undefined) return undefined
    const isTime = ParamRef.number === TIME_PARAMETER
    const number = isTime ? parameters.length + 1 : parameters.indexOf(ParamRef.number ?? 0) + 1
    return { ParamRef: { number } }
  })
  return { tree: numbered, parameters, usesTime }
}

const RELATIVE_TIMES = /^\s*(now|today|tomorrow|yesterday)\s*$/i

/**
 * Refuses what different nodes would compute differently. `allowsVolatile`: for each row anew is what is wanted. Without a
 * `world` nothing is known of functions of the user's. Returns whether now() and its kin are used.
 */
export function checkVolatility(
  values: unknown,
  allowsVolatile: boolean,
  world?: FunctionWorld,
): boolean {
  if (Array.isArray(values)) {
    return values.map((item) => checkVolatility(item, allowsVolatile, world)).includes(true)
  }
  if (!isRecord(values)) return false
  const usesTime = checkNodeVolatility(values as Tree, allowsVolatile, world)
  return checkVolatility(Object.values(values), allowsVolatile, world) || usesTime
}

/** Parts of a statement whose rows or values may be made once for many rows. */
const NESTED: ReadonlySet<string> = new Set([
  'subselect',
  'subquery',
  'withClause',
  'fromClause',
  'usingClause',
])

/** As checkVolatility, but for each row of the statement itself a volatile function may be called anew, on any node. */
export function checkRowVolatility(values: unknown, world: FunctionWorld): boolean {
  if (Array.isArray(values)) {
    return values.map((item) => checkRowVolatility(item, world)).includes(true)
  }
  if (!isRecord(values)) return false
  const parts = Object.entries(values).map(([field, child]) =>
    NESTED.has(field) ? checkVolatility(child, false, world) : checkRowVolatility(child, world),
  )
  return checkNodeVolatility(values as Tree, true, world) || parts.includes(true)
}

function checkNodeVolatility(
  tree: Tree,
  allowsVolatile: boolean,
  world: FunctionWorld | undefined,
): boolean {
  const { FuncCall, SQLValueFunction, TypeCast } = tree
  if (RELATIVE_TIMES.test(TypeCast?.arg?.A_Const?.sval?.sval ?? '')) refuse('volatile-function')
  const isTimeValue = TIME_TYPES[SQLValueFunction?.op ?? ''] !== undefined
  return isTimeValue || (FuncCall !== undefined && checkCall(FuncCall, allowsVolatile, world))
}

function checkCall(
  functionCall: FuncCall,
  allowsVolatile: boolean,
  world: FunctionWorld | undefined,
): boolean {
  const name = builtinName(functionCall)
  const builtin = name === undefined ? 'unknown' : classifyFunction(name)
  const proven = world === undefined ? undefined : provenClass(world, functionCall)
  // inside of it nothing can be put in the place of now()
  if (builtin === 'unknown' && proven === 'timed') {
    refuse('volatile-function', name, functionCall.location)
  }
  const known = builtin === 'unknown' ? (proven ?? 'unknown') : builtin
  const isTime = TIME_FUNCTIONS.has(name ?? '')
  // a user's function may be an aggregate as well as volatile
  if (known === 'unknown') refuse('volatile-function', name, functionCall.location)
  if (known === 'volatile' && !allowsVolatile && !isTime) {
    refuse('volatile-function', name, functionCall.location)
  }
  if (name === 'age' && functionCall.args?.length === 1) {
    refuse('volatile-function', name, functionCall.location)
  }
  return isTime
}
