import type { DistributedTable } from '../../catalog/catalog.ts'
import type { Analysis } from '../analysis.ts'
import { checkRowVolatility, checkVolatility, replaceTime } from '../expressions.ts'
import { areComparable } from '../key-source.ts'
import { coreShape, isStrongKey, provePushable } from '../pushdown.ts'
import { distributionKey } from '../query-model.ts'
import { refuse } from '../refusals.ts'
import { distributedRelations } from '../router.ts'
import { workerFromText, workerFromTree } from '../shard-text.ts'
import { lastName, SYSTEM_COLUMNS } from '../statement-checks.ts'
import { checkSystemColumns } from '../system-columns.ts'
import { type InsertStmt, type Tree, walkTree } from '../tree.ts'
import type { ScatterModify } from './write-plans.ts'

/** UPDATE or DELETE in every shard that its pins allow. */
export function planScatterModify(analysis: Analysis): ScatterModify {
  const { root, input, flow } = analysis
  if (root.kind !== 'update' && root.kind !== 'delete') return refuse('not-joined-on-key')
  const target = root.relations[0]
  if (target?.table?.kind !== 'distributed') return refuse('not-joined-on-key')
  const usesTime = checkRowVolatility(input.statement, input)
  checkSystemColumns(root, input.statement, true)
  const { seeds } = provePushable(analysis, root)
  if (seeds[0]?.relation !== target) return refuse('not-joined-on-key')
  const values = flow.constants().get(distributionKey(target, target.table) ?? '')
  return {
    kind: 'scatter-modify',
    table: target.table,
    pins: [{ table: target.table, values }],
    ...(usesTime
      ? workerFromTree(analysis, replaceTime(input.statement))
      : workerFromText(analysis)),
  }
}

/** Rows that move have others. */
export function checkNoSystemColumns(statement: Tree): void {
  walkTree(statement, (kind, node) => {
    if (kind !== 'ColumnRef') return undefined
    const name = lastName(node) ?? ''
    if (SYSTEM_COLUMNS.has(name)) refuse('system-column', name, Number(node['location'] ?? 0))
    return undefined
  })
}

/** INSERT … SELECT whose rows stay in the shards they come from. */
export function planPushedInsert(
  analysis: Analysis,
  insert: InsertStmt,
  table: DistributedTable,
  position: number,
): ScatterModify {
  const { root, input, flow } = analysis
  const source = root.children.find(({ place }) => place === 'from')?.block
  const select = source?.select
  if (source?.kind !== 'select' || select === undefined) return refuse('insert-select')
  const usesTime = checkVolatility(input.statement, false, input)
  checkNoSystemColumns(input.statement)
  const pushdown = provePushable(analysis, source)
  const core = coreShape(analysis, source, select, pushdown)
  const isWhole = core.groupsByKey && core.distinctByKey && core.windowsByKey
  if (!isWhole || select.limitCount !== undefined || select.limitOffset !== undefined) {
    return refuse('insert-select')
  }
  const expression = source.outputs?.[position]?.expression
  const type = flow.columnType(flow.keyOf(source, expression))
  const isKept = isStrongKey(analysis, source, expression, pushdown)
  if (!isKept || !areComparable(type, table.distributionColumn)) {
    return refuse('insert-select')
  }
  const others = distributedRelations(root).length - distributedRelations(source).length
  if (others !== 1 || insert.withClause !== undefined) return refuse('insert-select')
  const [seed] = pushdown.seeds
  const values =
    seed === undefined
      ? undefined
      : flow.constants().get(distributionKey(seed.relation, seed.table) ?? '')
  return {
    kind: 'scatter-modify',
    table,
    pins: [{ table, values }],
    ...(usesTime
      ? workerFromTree(analysis, replaceTime(input.statement))
      : workerFromText(analysis)),
  }
}
