import { isSplittable, type SplitQuery, splitAggregates } from './aggregate-split.ts'
import { type Analysis, analyse } from './analysis.ts'
import { checkScatterSelect, namedOutput, type SelectShape, sortKeys } from './combine-shape.ts'
import { distinctExchangeOf } from './distinct-exchange.ts'
import { isAggregate, replaceTime, visitLevel } from './expressions.ts'
import { gatherRows } from './gather.ts'
import { groupKeys } from './group-keys.ts'
import type { LockedSelect } from './locked-plans.ts'
import { orRefusal } from './or-refusal.ts'
import { orderRows } from './ordered-rows.ts'
import type { CombineQuery, Pin, PulledPlan, ScatterSelect } from './plan.ts'
import { type CoreShape, coreShape, type Pushdown, provePushable } from './pushdown.ts'
import type { Block } from './query-model.ts'
import { distributionKey, wholeRowRelation } from './query-model.ts'
import { refuse } from './refusals.ts'
import { checkLocks, isCutLock, planLockedSelect } from './row-locks.ts'
import { workerFromText, workerFromTree } from './shard-text.ts'
import { checkSystemColumns } from './system-columns.ts'
import type { SelectStmt, Tree } from './tree.ts'

/** What else may be done where a plan is refused. */
export type Otherwise = <T>(plan: () => T) => T | PulledPlan

/** A SELECT over several shards: what runs in each, and how their rows become the answer. */
export function planMultiSelect(
  analysis: Analysis,
  otherwise: Otherwise,
): ScatterSelect | LockedSelect {
  const { select } = analysis.root
  return select !== undefined && isCutLock(select)
    ? planLocks(analysis, otherwise)
    : planScatterSelect(analysis, otherwise)
}

export function planLocks(analysis: Analysis, otherwise: Otherwise): LockedSelect | ScatterSelect {
  return planLockedSelect(analysis, (locked) => planScatterSelect(locked, otherwise))
}

export function planScatterSelect(analysis: Analysis, otherwise: Otherwise): ScatterSelect {
  const { root } = analysis
  const { select } = root
  if (root.kind === 'set-operation') return refuse('expression', 'set operation')
  if (root.kind !== 'select' || select === undefined) return refuse('subquery-not-pushable')
  const pushdown = provePushable(analysis, root)
  const core = coreShape(analysis, root, select, pushdown)
  const isWhole = core.groupsByKey && core.distinctByKey && core.windowsByKey
  checkLocks(root, isWhole && !core.isAggregated && !core.hasWindows)
  const isConcatenation = isWhole && !isCut(select)
  const isPlain = isConcatenation && !core.isAggregated && select.distinctClause === undefined
  const usesTime = checkScatterSelect(root, select, isPlain, analysis.input)
  checkSystemColumns(root, select, isWhole && select.distinctClause === undefined)
  const timed = usesTime ? analyse(analysis.input, replaceTime({ SelectStmt: select })) : analysis
  if (isConcatenation) {
    // the statement's own text, if it is that
    const isRemade = usesTime || select !== analysis.input.statement.SelectStmt
    const query = isRemade
      ? workerFromTree(timed, { SelectStmt: timed.root.select ?? {} })
      : workerFromText(analysis)
    return scatter(analysis, pushdown, query, undefined)
  }
  return usesTime
    ? planTimed(timed, otherwise)
    : planCombined(analysis, root, select, pushdown, core, otherwise)
}

function isCut({ sortClause, limitCount, limitOffset }: SelectStmt): boolean {
  return (sortClause ?? limitCount ?? limitOffset) !== undefined
}

/** The same once more over the tree without now(), whose columns are other objects. */
function planTimed(analysis: Analysis, otherwise: Otherwise): ScatterSelect {
  const { root } = analysis
  const { select } = root
  if (select === undefined) return refuse('expression')
  const pushdown = provePushable(analysis, root)
  const core = coreShape(analysis, root, select, pushdown)
  return planCombined(analysis, root, select, pushdown, core, otherwise)
}

function planCombined(
  analysis: Analysis,
  block: Block,
  select: SelectStmt,
  pushdown: Pushdown,
  core: CoreShape,
  otherwise: Otherwise,
): ScatterSelect {
  const { outputs } = block
  if (outputs === undefined) return refuse('expression', 'unknown columns')
  // a row without a type of its own can't be shipped
  if (outputs.some(({ expression }) => isRow(block, expression))) refuse('expression', 'ROW')
  const sorts = sortKeys(block, select, outputs)
  const shape: SelectShape = { analysis, block, select, outputs, pushdown, core, sorts }
  const finish = (query: SplitQuery) => combined(shape, query)
  if (core.groupsByKey && core.windowsByKey) return finish(orderRows(shape))
  const gathered: CombineQuery['gathered'] = () =>
    orRefusal(() => otherwise(() => finish(gatherRows(shape))))
  const keys = groupExpressions(shape)
  if (core.hasWindows || keys === undefined || !isAllSplittable(shape))
    return finish(gatherRows(shape))
  return { ...finish(splitAggregates(shape, keys, gathered)), ...distinctExchangeOf(shape, keys) }
}

function isRow(block: Block, expression: Tree | undefined): boolean {
  const { RowExpr, ColumnRef } = expression ?? {}
  if (RowExpr !== undefined) return true
  return ColumnRef !== undefined && wholeRowRelation(block, ColumnRef) !== undefined
}

function combined({ analysis, pushdown, select }: SelectShape, query: SplitQuery): ScatterSelect {
  const worker = workerFromTree(analysis, { SelectStmt: query.worker })
  const isOrdered = select.sortClause !== undefined || select.distinctClause !== undefined
  const limit =
    isOrdered || query.worker.groupClause !== undefined ? undefined : constantLimit(select)
  return scatter(analysis, pushdown, worker, query.combine, query.worker.limitCount && limit)
}

function scatter(
  { flow, root }: Analysis,
  { seeds }: Pushdown,
  query: ReturnType<typeof workerFromText>,
  combine: CombineQuery | undefined,
  rowLimit: number | undefined = undefined,
): ScatterSelect {
  const constants = flow.constants()
  const [first] = seeds
  if (first === undefined) return refuse('not-joined-on-key')
  const pins: readonly Pin[] = seeds.map(({ relation, table }) => ({
    table,
    values: constants.get(distributionKey(relation, table) ?? ''),
  }))
  // with FULL JOIN either side may have rows of its own: all of them must be pinned, and then alike
  const isPinned = pins.length === 1
  return {
    kind: 'scatter',
    table: first.table,
    pins: isPinned ? pins : [{ table: first.table, values: undefined }],
    ...query,
    combine,
    locksRows: root.select?.lockingClause !== undefined,
    rowLimit,
  }
}

function constantLimit({ limitCount, limitOffset, limitOption }: SelectStmt): number | undefined {
  const count = limitCount?.A_Const?.ival
  const offset = limitOffset === undefined ? {} : limitOffset.A_Const?.ival
  if (count === undefined || offset === undefined || limitOption !== 'LIMIT_OPTION_COUNT')
    return undefined
  return (count.ival ?? 0) + (offset.ival ?? 0)
}

/** GROUP BY's expressions, output names replaced; undefined: grouping sets. */
function groupExpressions({ block, select, outputs }: SelectShape): readonly Tree[] | undefined {
  return groupKeys(select, outputs)?.map((item) => {
    const fields = item.ColumnRef?.fields
    const name = fields?.[0]?.String?.sval
    if (fields?.length !== 1 || block.visible.some((column) => column.name === name)) return item
    const output = namedOutput(block, item)?.expression
    if (output === undefined) return item
    return block.knowsColumns ? output : refuse('expression', 'unresolved column')
  })
}

function isAllSplittable({ select, outputs }: SelectShape): boolean {
  let isSplit = true
  const expressions = outputs.map(({ expression }) => expression)
  visitLevel(
    [expressions, select.havingClause, select.sortClause, select.distinctClause],
    (node) => {
      if (node['GroupingFunc'] !== undefined) isSplit = false
      if (!isAggregate(node)) return true
      if (node.FuncCall === undefined || !isSplittable(node.FuncCall)) isSplit = false
      return false
    },
  )
  return isSplit
}
