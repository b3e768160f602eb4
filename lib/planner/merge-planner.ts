import type { DistributedTable } from '../catalog/catalog.ts'
import type { Analysis } from './analysis.ts'
import { checkRowVolatility, replaceTime } from './expressions.ts'
import { areComparable } from './key-source.ts'
import { orRefusal } from './or-refusal.ts'
import type { ModifyPlan, Pin } from './plan.ts'
import { isStrongKey, type Pushdown, provePushable } from './pushdown.ts'
import { distributionKey } from './query-model.ts'
import { refuse } from './refusals.ts'
import { routedStatement } from './router.ts'
import { workerFromText, workerFromTree } from './shard-text.ts'
import type { MergeStmt, Tree } from './tree.ts'
import { checkMergeActions, mergeInsertedKeys, mergeInsertKeys } from './write/insert-keys.ts'
import { orMirrored } from './write/mirror-planner.ts'
import { checkNoSystemColumns } from './write/modify-planner.ts'
import type { ScatterModify } from './write/write-plans.ts'

/** MERGE whose source, target and new rows are all in one shard; in every shard; or over a mirror. */
export function planMerge(
  analysis: Analysis,
  kind: string,
  merge: MergeStmt,
  pins: readonly Pin[],
): ModifyPlan {
  const { input, root, tables } = analysis
  const table = root.relations[0]?.table
  if (table?.kind !== 'distributed') return refuse('merge')
  checkMergeActions(merge, table)
  const inserted = mergeInsertKeys(analysis, root, merge, table).map(
    (values): Pin => ({
      table,
      values,
      rejectsNull: true,
    }),
  )
  const pushed = () => planScatterMerge(analysis, merge, table)
  return {
    kind: 'modify',
    routed: routedStatement(input, tables, [...pins, ...inserted]),
    currentOf: undefined,
    multi: () => orRefusal(() => orMirrored(input, kind, tables, pushed)),
  }
}

/** Each row of the source meets only target rows of its own shard, and what it inserts belongs there. */
function planScatterMerge(
  analysis: Analysis,
  merge: MergeStmt,
  table: DistributedTable,
): ScatterModify {
  const { root, input, flow } = analysis
  const usesTime = checkRowVolatility(input.statement, input)
  checkNoSystemColumns(input.statement)
  const pushdown = provePushable(analysis, root)
  const [seed] = pushdown.seeds
  if (seed === undefined) return refuse('merge')
  const isInner = (merge.mergeWhenClauses ?? []).every(
    ({ MergeWhenClause }) =>
      (MergeWhenClause?.matchKind ?? 'MERGE_WHEN_MATCHED') === 'MERGE_WHEN_MATCHED',
  )
  // every shard would see all the rows of another source, and insert them
  if (!isInner && seed.relation === root.relations[0]) return refuse('merge')
  for (const value of mergeInsertedKeys(merge, table)) {
    if (!isOwnKey(analysis, value, pushdown, table)) return refuse('merge')
  }
  const values = flow.constants().get(distributionKey(seed.relation, seed.table) ?? '')
  return {
    kind: 'scatter-modify',
    table,
    pins: [{ table: seed.table, values }],
    ...(usesTime
      ? workerFromTree(analysis, replaceTime(input.statement))
      : workerFromText(analysis)),
  }
}

function isOwnKey(
  analysis: Analysis,
  value: Tree | undefined,
  pushdown: Pushdown,
  { distributionColumn }: DistributedTable,
): boolean {
  const { root, flow } = analysis
  const type = flow.columnType(flow.keyOf(root, value))
  return isStrongKey(analysis, root, value, pushdown) && areComparable(type, distributionColumn)
}
