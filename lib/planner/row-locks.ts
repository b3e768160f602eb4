import type { DistributedTable } from '../catalog/catalog.ts'
import { type Analysis, analyse } from './analysis.ts'
import { sortKeys } from './combine-shape.ts'
import { replaceTime } from './expressions.ts'
import { type KeyedTable, keyedTables, type LockingClause, lockText } from './locked-keys.ts'
import type { LockedSelect, ReferenceLock, ScatterSelect, WorkerQuery } from './plan.ts'
import { type PlanInput, printExpression } from './plan-input.ts'
import { type Block, distributionKey, type Relation } from './query-model.ts'
import { refuse } from './refusals.ts'
import { workerFromTree } from './shard-text.ts'
import { type SelectStmt, strings, type Tree, type TypeName, walkTree } from './tree.ts'

/**
 * Rows of reference tables are locked on the coordinator's copy, where writers begin and other lockers lock: a lock on the
 * copy of some other node is seen by nobody. true: the statement itself locks some.
 */
export function locksReferences(root: Block): boolean {
  for (const inner of [...root.arms, ...root.children.map(({ block }) => block)]) {
    if (locksReferences(inner)) refuse('reference-locks')
  }
  return clausesOf(root.select).some((clause) =>
    lockedRelations(root, clause).some(({ table }) => table?.kind === 'reference'),
  )
}

function clausesOf(select: SelectStmt | undefined): readonly LockingClause[] {
  return (select?.lockingClause ?? []).map((item) => item['LockingClause'] as LockingClause)
}

function lockedRelations(block: Block, { lockedRels }: LockingClause): readonly Relation[] {
  const names = lockedRels?.map(({ RangeVar }) => RangeVar?.relname)
  return block.relations
    .filter(({ alias }) => names === undefined || names.includes(alias))
    .flatMap((relation) => {
      const inner = relation.kind === 'subquery' ? relation.block : undefined
      return inner === undefined ? [relation] : lockedRelations(inner, {})
    })
}

/** Locks of the whole statement, which each shard takes on the rows that it gives. */
export function checkLocks(block: Block, isWhole: boolean): void {
  if (block.select?.lockingClause === undefined) return
  // Postgres allows none with them either
  if (!isWhole || block.select.distinctClause !== undefined) refuse('row-locks')
}

/** LIMIT ends the locking, too: each row is then locked only when it is its turn. */
export function isCutLock({ lockingClause, limitCount }: SelectStmt): boolean {
  const isAll = limitCount === undefined || limitCount.A_Const?.['isnull'] === true
  return lockingClause !== undefined && !isAll
}

/**
 * SELECT … LIMIT … FOR UPDATE over several shards, or of rows of reference tables, too: which rows come first is asked without locks; they are locked by their
 * primary keys, more of them where some are gone or skipped, until as many as LIMIT wants are held; then those are read.
 * No row is locked that one Postgres would not have locked.
 */
export function planLockedSelect(
  analysis: Analysis,
  plan: (analysis: Analysis) => ScatterSelect,
): LockedSelect {
  const { input, root } = analysis
  const { select, outputs } = root
  if (select === undefined || outputs === undefined) return refuse('row-locks')
  if (select.limitOption === 'LIMIT_OPTION_WITH_TIES') return refuse('row-locks')
  const tables = keyedTables(root, select)
  const { relation, table } = firstDistributed(tables)
  const { lockingClause = [], limitCount, limitOffset, ...unlocked } = select
  const keys = tables.flatMap(({ keys: own }) => own)
  const highest = highestParameter(input.statement)
  const isOne = keyCondition(input, tables, highest)
  const condition = and(select.whereClause, isOne)
  const sorts = sortKeys(root, select, outputs).map(({ sort, output, expression }) => {
    const node = output === undefined ? expression : outputs[output]?.expression
    return { SortBy: { ...sort, node: node ?? refuse('row-locks') } }
  })
  const candidates: SelectStmt = {
    ...unlocked,
    // names of their own: what ORDER BY names is a column of the tables
    targetList: keys.map((val, index) => ({ ResTarget: { name: `pgloom_key_${index + 1}`, val } })),
    ...(sorts.length === 0 ? {} : { sortClause: sorts }),
    limitCount: { ParamRef: { number: highest + keys.length + 1 } },
    limitOption: 'LIMIT_OPTION_COUNT',
  }
  const chosen: SelectStmt = {
    ...unlocked,
    whereClause: condition,
    ...(limitCount === undefined ? {} : { limitCount }),
    ...(limitOffset === undefined ? {} : { limitOffset }),
  }
  const planned = (tree: SelectStmt) => plan(analyse(input, { SelectStmt: tree }))
  return {
    kind: 'locked-select',
    table,
    pins: [
      { table, values: analysis.flow.constants().get(distributionKey(relation, table) ?? '') },
    ],
    candidates: planned(candidates),
    lock: lockQuery(analysis, select, keys, condition),
    chosen: planned(chosen),
    parameterCount: highest,
    keyCount: keys.length,
    references: referenceLocks(root, tables),
    limits: [
      isCutLock(select) && limitCount !== undefined
        ? printExpression(input, limitCount)
        : undefined,
      limitOffset === undefined ? '0' : printExpression(input, limitOffset),
    ],
    waits: !clausesOf({ lockingClause }).some(
      ({ waitPolicy = 'LockWaitBlock' }) => waitPolicy !== 'LockWaitBlock',
    ),
  }
}

function firstDistributed(tables: readonly KeyedTable[]): {
  relation: Relation
  table: DistributedTable
} {
  for (const { relation, table } of tables) {
    if (table.kind === 'distributed') return { relation, table }
  }
  return refuse('row-locks-limit')
}

/** Each row of a reference table that the statement locks is locked on the coordinator first. */
function referenceLocks(root: Block, tables: readonly KeyedTable[]): readonly ReferenceLock[] {
  let first = 0
  return tables.flatMap((keyed) => {
    const start = first
    first += keyed.keys.length
    const clauses = clausesOf(root.select).filter((clause) =>
      lockedRelations(root, clause).includes(keyed.relation),
    )
    if (keyed.table.kind !== 'reference' || clauses.length === 0) return []
    return [{ start, count: keyed.keys.length, text: lockText(keyed, clauses) }]
  })
}

function lockQuery(
  analysis: Analysis,
  { fromClause, lockingClause }: SelectStmt,
  keys: readonly Tree[],
  condition: Tree,
): WorkerQuery {
  const lock = {
    SelectStmt: {
      targetList: keys.map((val) => ({ ResTarget: { val } })),
      ...(fromClause === undefined ? {} : { fromClause }),
      whereClause: condition,
      // sessions that want the same rows wait for each other in one order
      sortClause: keys.map((node) => ({
        SortBy: { node, sortby_dir: 'SORTBY_DEFAULT', sortby_nulls: 'SORTBY_NULLS_DEFAULT' },
      })),
      ...(lockingClause === undefined ? {} : { lockingClause }),
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  }
  return workerFromTree(analysis, replaceTime(lock))
}

/** The rows' keys are among those in the parameters after `highest`, an array for each of their columns. */
function keyCondition(input: PlanInput, tables: readonly KeyedTable[], highest: number): Tree {
  const keys = tables.flatMap(({ keys: own }) => own)
  const types = tables.flatMap(({ types: own }) => own)
  const arrays = types.map((type, index) => ({
    TypeCast: {
      arg: { ParamRef: { number: highest + index + 1 } },
      typeName: arrayType(input, type),
    },
  }))
  const condition = template(input, keys.length)
  const columns =
    keys.length === 1 ? keys[0] : { RowExpr: { args: keys, row_format: 'COERCE_IMPLICIT_CAST' } }
  return fill(condition, columns ?? {}, arrays)
}

const KEY_MARK = 'pgloom_key'
const ARRAY_MARK = 'pgloom_keys_'

/** The grammar's own tree of it. */
function template({ parser }: PlanInput, count: number): Tree {
  const rows = Array.from(
    { length: count },
    (_, index) => `pg_catalog.unnest(${ARRAY_MARK}${index})`,
  )
  const text = `SELECT ${KEY_MARK} IN (SELECT * FROM ROWS FROM (${rows.join(', ')}) pgloom_wanted)`
  const tree = parser.parse(Buffer.from(text)).stmts[0]?.stmt as Tree | undefined
  return tree?.SelectStmt?.targetList?.[0]?.ResTarget?.val ?? refuse('row-locks')
}

function fill<T>(tree: T, columns: Tree, arrays: readonly Tree[]): T {
  if (Array.isArray(tree)) return tree.map((item) => fill(item, columns, arrays)) as T
  if (typeof tree !== 'object' || tree === null) return tree
  const name = strings((tree as Tree).ColumnRef?.fields)[0]
  if (name === KEY_MARK) return columns as T
  if (name?.startsWith(ARRAY_MARK)) return arrays[Number(name.slice(ARRAY_MARK.length))] as T
  const entries = Object.entries(tree).map(([field, value]) => [
    field,
    fill(value, columns, arrays),
  ])
  return Object.fromEntries(entries)
}

function arrayType({ parser }: PlanInput, typeName: string): TypeName {
  const tree = parser.parse(Buffer.from(`SELECT NULL::${typeName}[]`)).stmts[0]?.stmt as
    | Tree
    | undefined
  const type = tree?.SelectStmt?.targetList?.[0]?.ResTarget?.val?.TypeCast?.typeName
  return type ?? refuse('row-locks')
}

function and(first: Tree | undefined, second: Tree): Tree {
  if (first === undefined) return second
  const { boolop, args = [] } = first.BoolExpr ?? {}
  const conditions = boolop === 'AND_EXPR' ? args : [first]
  return { BoolExpr: { boolop: 'AND_EXPR', args: [...conditions, second] } }
}

function highestParameter(statement: Tree): number {
  let highest = 0
  walkTree(statement, (kind, node) => {
    if (kind === 'ParamRef') highest = Math.max(highest, Number(node['number'] ?? 0))
    return undefined
  })
  return highest
}
