import type { Analysis } from '../analysis.ts'
import { hasAggregate } from '../expressions.ts'
import { windowsOf } from '../group-keys.ts'
import type { LockingClause } from '../locked-keys.ts'
import type { PlanInput } from '../plan-input.ts'
import type { Block } from '../query-model.ts'
import { refuse } from '../refusals.ts'
import { lockedRelations } from '../row-locks.ts'
import type { StatementTables } from '../table-references.ts'
import { type RangeVar, type SelectStmt, type Tree, walkTree } from '../tree.ts'

/**
 * The clauses by which rows of distributed tables are locked in their shards while they are copied; locking the copies would lock
 * nothing. More may be locked than one Postgres would, never other results given: so none of them may be skipped for LIMIT's sake, or
 * fail by NOWAIT.
 */
export function pulledLocks(
  { statement }: PlanInput,
  { references }: StatementTables,
  reading: Pick<Analysis, 'root'> | undefined,
): ReadonlyMap<RangeVar, readonly Tree[]> {
  const locks = new Map<RangeVar, Tree[]>()
  for (const clause of lockingClauses(statement)) {
    const isOurs = references.some(
      ({ node, table }) => isLocked(clause, node) && table?.kind === 'distributed',
    )
    if (!isOurs) continue
    if (reading === undefined || !isWhole(statement.SelectStmt ?? {}, clause)) refuse('row-locks')
    const { strength = '', waitPolicy = 'LockWaitBlock' } = clause
    for (const node of lockedNodes(reading.root, clause)) {
      locks.set(node, [...(locks.get(node) ?? []), { LockingClause: { strength, waitPolicy } }])
    }
  }
  return locks
}

function lockedNodes(root: Block, clause: LockingClause): readonly RangeVar[] {
  const relations = lockedRelations(root, clause).filter(
    ({ table }) => table?.kind === 'distributed',
  )
  return relations.map((relation) => {
    const isOwn = root.relations.includes(relation)
    return (isOwn ? relation.node.RangeVar : undefined) ?? refuse('row-locks')
  })
}

function lockingClauses(statement: Tree): readonly LockingClause[] {
  const found: LockingClause[] = []
  walkTree(statement, (kind, node) => {
    if (kind === 'LockingClause') found.push(node as LockingClause)
    return undefined
  })
  return found
}

function isLocked({ lockedRels }: LockingClause, node: RangeVar): boolean {
  const name = node.alias?.aliasname ?? node.relname
  return lockedRels?.some(({ RangeVar }) => RangeVar?.relname === name) ?? true
}

/** It is the statement's own, and concerns all rows that the statement gives. */
function isWhole(select: SelectStmt, clause: LockingClause): boolean {
  const { lockingClause = [], limitCount, limitOffset, targetList, sortClause } = select
  const { groupClause, havingClause, distinctClause } = select
  const isOwn = lockingClause.some((item) => item['LockingClause'] === clause)
  const isCut = limitCount !== undefined || limitOffset !== undefined
  // Postgres allows none with them either
  const isMade = groupClause ?? havingClause ?? distinctClause ?? select.larg
  const isPlain = isMade === undefined && windowsOf(select).length === 0
  const isWaiting = clause.waitPolicy !== 'LockWaitError'
  return isOwn && !isCut && isPlain && isWaiting && !hasAggregate([targetList, sortClause])
}
