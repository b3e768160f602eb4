import { TypeOid } from '../catalog/type-oid.ts'
import { type SplitQuery, splitAggregates } from './aggregate-split.ts'
import { analyse } from './analysis.ts'
import {
  canonicalKey,
  PLAIN_SELECT,
  type SelectShape,
  sourceColumn,
  target,
} from './combine-shape.ts'
import type { DistinctExchange } from './distinct-exchange-plan.ts'
import { integer, isAggregateCall, operator, visitLevel } from './expressions.ts'
import { coreShape, provePushable } from './pushdown.ts'
import { Refusal } from './refusals.ts'
import { workerFromTree } from './shard-text.ts'
import { builtinName, type SelectStmt, type Tree } from './tree.ts'

/** Types that have a hash in every Postgres, and are no arrays; and what makes it of one value, where that has a name. */
const HASHABLE: ReadonlyMap<number, string | undefined> = new Map([
  [TypeOid.bytea, undefined],
  [TypeOid.int8, 'hashint8'],
  [TypeOid.int2, 'hashint2'],
  [TypeOid.int4, 'hashint4'],
  [TypeOid.text, 'hashtext'],
  [TypeOid.float8, 'hashfloat8'],
  [TypeOid.inet, undefined],
  [TypeOid.bpchar, undefined],
  [TypeOid.varchar, 'hashtext'],
  [TypeOid.date, undefined],
  [TypeOid.time, undefined],
  [TypeOid.timestamp, undefined],
  [TypeOid.timestamptz, undefined],
  [TypeOid.interval, undefined],
  [TypeOid.numeric, 'hash_numeric'],
  [TypeOid.uuid, 'uuid_hash'],
])

/** Another way to the answer, where there may be one. */
export function distinctExchangeOf(
  shape: SelectShape,
  keys: readonly Tree[],
): { readonly distinctExchange?: () => DistinctExchange | undefined } {
  const argument = distinctArgument(shape)
  if (argument === undefined) return {}
  return { distinctExchange: () => planDistinctExchange(shape, keys, argument) }
}

/**
 * Aggregates of the DISTINCT values of one column, where these are too many for the coordinator alone: each shard's values go as arrays
 * to the node that their hash says, which aggregates them; what the nodes find adds up. undefined: not for this statement.
 */
function planDistinctExchange(
  shape: SelectShape,
  keys: readonly Tree[],
  argument: Tree,
): DistinctExchange | undefined {
  try {
    const added = splitAggregates(shape, keys, undefined, true)
    const inner = innerShape(shape, added.worker)
    if (inner === undefined) return undefined
    const innerKeys = (added.worker.groupClause ?? []).map((item) => outputOf(inner, item))
    const split = splitAggregates(inner, innerKeys, undefined)
    const { typeOid } = distinctColumn(shape, argument) ?? { typeOid: 0 }
    const made = exchanged(inner, split, { argument, hash: HASHABLE.get(typeOid) })
    return made === undefined ? undefined : { ...made, node: split.combine, combine: added.combine }
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

/** The one column of which DISTINCT values are aggregated. */
function distinctArgument(shape: SelectShape): Tree | undefined {
  const { block, select, outputs } = shape
  const found = new Map<string, Tree | undefined>()
  const expressions = outputs.map(({ expression }) => expression)
  visitLevel(
    [expressions, select.havingClause, select.sortClause, select.distinctClause],
    ({ FuncCall }) => {
      if (FuncCall === undefined || !isAggregateCall(FuncCall)) return true
      const [argument] = FuncCall.args ?? []
      if (FuncCall.agg_distinct !== true || argument === undefined) return false
      found.set(canonicalKey(block, argument), argument)
      return false
    },
  )
  const [argument] = found.values()
  if (found.size !== 1 || argument?.ColumnRef === undefined) return undefined
  const column = distinctColumn(shape, argument)
  const isHashable = HASHABLE.has(column?.typeOid ?? 0) && column?.collation === undefined
  return isHashable ? argument : undefined
}

function distinctColumn({ analysis: { flow }, block }: SelectShape, argument: Tree) {
  return flow.columnType(flow.keyOf(block, argument))
}

/** What the shards would be asked if all rows were in one place, read as a statement of its own. */
function innerShape({ analysis }: SelectShape, select: SelectStmt): SelectShape | undefined {
  const inner = analyse(analysis.input, { SelectStmt: select })
  const { root } = inner
  if (root.select === undefined || root.outputs === undefined) return undefined
  const pushdown = provePushable(inner, root)
  const core = coreShape(inner, root, root.select, pushdown)
  const { outputs } = root
  return { analysis: inner, block: root, select: root.select, outputs, pushdown, core, sorts: [] }
}

function outputOf({ outputs }: SelectShape, item: Tree): Tree {
  return outputs[(item.A_Const?.ival?.ival ?? 0) - 1]?.expression ?? item
}

type Column = DistinctExchange['columns'][number]

/** The values, and the function that makes their hash; undefined: that of rows does. */
type Hashed = { readonly argument: Tree; readonly hash: string | undefined }

function exchanged(
  shape: SelectShape,
  { worker: whole }: SplitQuery,
  { argument, hash }: Hashed,
): Pick<DistinctExchange, 'columns' | 'groups' | 'workers'> | undefined {
  const expressions = (whole.targetList ?? []).map(({ ResTarget }) => ResTarget?.val ?? {})
  const grouped = new Set((whole.groupClause ?? []).map((item) => item.A_Const?.ival?.ival))
  const wanted = canonicalKey(shape.block, argument)
  const columns = expressions.map((expression, index): Column => {
    if (canonicalKey(shape.block, expression) === wanted) return 'value'
    return grouped.has(index + 1) ? 'key' : 'partial'
  })
  const isOnce = columns.filter((column) => column === 'value').length === 1
  const keys = expressions.filter((_, index) => columns[index] === 'key')
  // it is a key itself
  if (!isOnce || grouped.size !== keys.length + 1) return undefined
  const { groupClause: _group, targetList: _targets, ...core } = whole
  const groupClause = groupOrdinals(columns)
  const query = (select: SelectStmt) => workerFromTree(shape.analysis, { SelectStmt: select })
  const groups: SelectStmt = {
    ...core,
    targetList: keys.map((key) => target(key, undefined)),
    groupClause: keys.map((_, index) => integer(index + 1)),
  }
  const values = (parts: number): SelectStmt => {
    const lists = expressions.map((one, index) => (columns[index] === 'value' ? list(one) : one))
    const targets = [partOf({ argument, hash }, parts), ...lists]
    return { ...core, targetList: targets.map((one) => target(one, undefined)), groupClause }
  }
  const distinct = (parts: number): SelectStmt => {
    return { ...overWhole(whole, columns, parts, hash), groupClause }
  }
  const hasLists = !expressions.some(mayBeArray)
  return {
    columns,
    groups: keys.length === 0 ? undefined : query(groups),
    workers: (parts) => ({
      values: query(values(parts)),
      distinct: hasLists ? query(distinct(parts)) : undefined,
    }),
  }
}

/** A list of arrays is one array, whose parts can't be told apart. */
function mayBeArray({ FuncCall }: Tree): boolean {
  const name = FuncCall === undefined ? undefined : builtinName(FuncCall)
  return name === 'min' || name === 'max' || name === 'any_value'
}

function groupOrdinals(columns: readonly Column[]): readonly Tree[] {
  const keys = columns.flatMap((column, index) => (column === 'key' ? [integer(index + 2)] : []))
  return [...keys, integer(1)]
}

/** Each value once: its shard groups by it first. */
function overWhole(
  whole: SelectStmt,
  columns: readonly Column[],
  parts: number,
  hash: string | undefined,
): SelectStmt {
  const names = columns.map((_, index) => ({ String: { sval: `c${index + 1}` } }))
  const value = sourceColumn(columns.indexOf('value') + 1)
  const others = columns.map((column, index) => {
    const one = sourceColumn(index + 1)
    return target(column === 'key' ? one : list(one), undefined)
  })
  const subquery: Tree = { SelectStmt: whole }
  return {
    ...PLAIN_SELECT,
    targetList: [target(partOf({ argument: value, hash }, parts), undefined), ...others],
    fromClause: [{ RangeSubselect: { subquery, alias: { aliasname: 's', colnames: names } } }],
  }
}

function list(argument: Tree): Tree {
  return builtin('array_agg', argument)
}

function partOf({ argument, hash }: Hashed, parts: number): Tree {
  const row: Tree = { RowExpr: { args: [argument], row_format: 'COERCE_EXPLICIT_CALL' } }
  if (hash === undefined) return operator('&', builtin('hash_record', row), integer(parts - 1))
  // NULL has none
  const part = operator('&', builtin(hash, argument), integer(parts - 1))
  return { CoalesceExpr: { args: [part, integer(0)] } }
}

function builtin(name: string, argument: Tree): Tree {
  const funcname = ['pg_catalog', name].map((sval) => ({ String: { sval } }))
  return { FuncCall: { funcname, args: [argument], funcformat: 'COERCE_EXPLICIT_CALL' } }
}
