import { type Analysis, analyse } from './analysis.ts'
import { sortKeys } from './combine-shape.ts'
import { replaceTime } from './expressions.ts'
import { type KeyedTable, keyedTables, type LockingClause, lockText } from './locked-keys.ts'
import type { LockedSelect, ReferenceLock } from './locked-plans.ts'
import type { ScatterSelect, WorkerQuery } from './plan.ts'
import { printExpression } from './plan-input.ts'
import type { Block, Relation } from './query-model.ts'
import { refuse } from './refusals.ts'
import {
  all,
  hasPlaces,
  highestParameter,
  identityOf,
  keyConditions,
  shardKeys,
} from './row-identity.ts'
import { workerFromTree } from './shard-text.ts'
import { conjuncts, type SelectStmt, type Tree } from './tree.ts'

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

export function lockedRelations(block: Block, { lockedRels }: LockingClause): readonly Relation[] {
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
 * primary keys (or where they lie), more of them where some are gone or skipped, until as many as LIMIT wants are held; then those are read.
 * No row is locked that one Postgres would not have locked.
 */
export function planLockedSelect(
  analysis: Analysis,
  plan: (analysis: Analysis) => ScatterSelect,
): LockedSelect | ScatterSelect {
  const { input, root } = analysis
  const { select, outputs } = root
  if (select === undefined || outputs === undefined) return refuse('row-locks')
  if (select.limitOption === 'LIMIT_OPTION_WITH_TIES') return refuse('row-locks')
  const lockedRows = clausesOf(select).flatMap((clause) => lockedRelations(root, clause))
  const tables = keyedTables(root, lockedRows)
  // none can be locked: Postgres says why
  if (tables.length === 0) return plan(analysis)
  const { lockingClause = [], limitCount, limitOffset, ...unlocked } = select
  const policies = clausesOf(select).map(({ waitPolicy = 'LockWaitBlock' }) => waitPolicy)
  const skips = policies.includes('LockWaitSkip')
  // whether a row was skipped or has moved could not be told
  if (skips && policies.some((policy) => policy !== 'LockWaitSkip') && hasPlaces(tables)) {
    return refuse('row-locks-limit')
  }
  const identity = identityOf(tables, highestParameter(input.statement))
  const { keys, highest } = identity
  const condition = all([...conjuncts(select.whereClause), ...keyConditions(input, identity)])
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
  const first = planned(candidates)
  return {
    kind: 'locked-select',
    table: first.table,
    pins: first.pins,
    candidates: first,
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
    waits: policies.every((policy) => policy === 'LockWaitBlock'),
    asksAgain: hasPlaces(tables) && !skips,
  }
}

/** Each row of a reference table that the statement locks is locked on the coordinator first. */
function referenceLocks(root: Block, tables: readonly KeyedTable[]): readonly ReferenceLock[] {
  let first = shardKeys(tables).keys.length
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
  { fromClause, lockingClause, withClause }: SelectStmt,
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
      ...(withClause === undefined ? {} : { withClause }),
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  }
  return workerFromTree(analysis, replaceTime(lock))
}
