import type { DistributedTable } from '../catalog/catalog.ts'
import type { Analysis } from './analysis.ts'
import { hasAggregate } from './expressions.ts'
import { groupKeys, windowsOf } from './group-keys.ts'
import { keptRelations, relationOf } from './kept-relations.ts'
import type { FromPart } from './model-builder.ts'
import { usingColumns } from './model-builder.ts'
import {
  allBlocks,
  allRelations,
  type Block,
  type ColumnKey,
  distributionKey,
  outputOrInput,
  type Relation,
  resolveColumn,
} from './query-model.ts'
import { refuse } from './refusals.ts'
import { distributedRelations } from './router.ts'
import { conjuncts, type JoinExpr, type SelectStmt, type Tree } from './tree.ts'

/**
 * Proof that a block may run in every shard: the rows of its FROM and WHERE over all shards are those of the whole. One
 * occurrence of a distributed table, the seed, has each result row's own row in exactly one shard (it is on no side of a
 * join that may be null); and every other occurrence matters only where its distribution column equals the seed's.
 */
export type Pushdown = {
  readonly seeds: readonly { readonly relation: Relation; readonly table: DistributedTable }[]
  /** Columns that can only have the seed's distribution value (or be null). */
  readonly reached: ReadonlySet<ColumnKey>
}

type Seeds = Pushdown['seeds']

export function provePushable(analysis: Analysis, block: Block): Pushdown {
  checkBlocks(analysis, block)
  const candidates = seedCandidates(analysis, block)
  if (candidates.length === 0) refuse(missingSeedReason(block))
  const all = distributedRelations(block)
  for (const seeds of candidates) {
    const keys = seeds.map(({ relation, table }) => distributionKey(relation, table) ?? '')
    const reached = analysis.flow.reachable(keys)
    const isLinked = all.every(({ relation, table }) =>
      reached.has(distributionKey(relation, table) ?? '?'),
    )
    const pushdown = { seeds, reached }
    if (isLinked && nestedBlocksAreLocal(analysis, block, pushdown)) return pushdown
  }
  const isPlain = allBlocks(block).length === 1
  return refuse(isPlain ? 'not-joined-on-key' : 'subquery-not-pushable')
}

function missingSeedReason(block: Block) {
  return block.relations.some((relation) => relation.block !== undefined)
    ? 'subquery-not-pushable'
    : 'not-joined-on-key'
}

function checkBlocks({ builder }: Analysis, root: Block): void {
  // every node would take one of its own copy
  if (allRelations(root).some(isSampledCopy)) refuse('table-sample')
  const holders = allBlocks(root).filter((block) => distributedRelations(block).length > 0)
  for (const block of holders) {
    checkHolder(block, block === root)
    // one run of a CTE whose rows meet each other under different keys
    if ((builder.cteUses.get(block) ?? 1) > 1) {
      refuse('subquery-not-pushable', 'CTE used more than once')
    }
  }
}

function checkHolder(block: Block, isRoot: boolean): void {
  if (block.isRecursive) refuse('recursive-cte')
  if (block.kind === 'set-operation' && isRoot) refuse('expression', 'set operation')
  if (!isRoot && block.select?.lockingClause !== undefined) refuse('row-locks')
  if (!isRoot && block.kind !== 'select' && block.kind !== 'set-operation') refuse('modifying-cte')
}

function isSampledCopy({ node, table }: Relation): boolean {
  return node.RangeTableSample !== undefined && table?.kind !== 'distributed'
}

/** Sets of occurrences that own the block's rows: one, or both sides of FULL JOINs. */
function seedCandidates(analysis: Analysis, block: Block): readonly Seeds[] {
  const from = block.select?.fromClause ?? block.modify?.from ?? []
  const own = block.modify === undefined ? [] : relationSeeds(analysis, block.relations[0])
  return [...own, ...from.flatMap((item) => itemSeeds(analysis, block, item))]
}

function itemSeeds(analysis: Analysis, block: Block, item: Tree | undefined): readonly Seeds[] {
  const join = item?.JoinExpr
  if (join === undefined) {
    return relationSeeds(
      analysis,
      block.relations.find(({ node }) => node === item),
    )
  }
  const left = () => itemSeeds(analysis, block, join.larg)
  const right = () => itemSeeds(analysis, block, join.rarg)
  switch (join.jointype) {
    case 'JOIN_LEFT':
      return left()
    case 'JOIN_RIGHT':
      return right()
    case 'JOIN_FULL':
      return fullJoinSeeds(analysis, block, join, left(), right())
    default:
      return [...left(), ...right()]
  }
}

function relationSeeds(analysis: Analysis, relation: Relation | undefined): readonly Seeds[] {
  const table = relation?.table
  if (relation !== undefined && table?.kind === 'distributed') return [[{ relation, table }]]
  return relation?.block?.kind === 'select' ? seedCandidates(analysis, relation.block) : []
}

/** Both sides own rows; a row of both is in one shard, as the ON condition equates their keys. */
function fullJoinSeeds(
  analysis: Analysis,
  block: Block,
  join: JoinExpr,
  left: readonly Seeds[],
  right: readonly Seeds[],
): readonly Seeds[] {
  const sides = analysis.builder.joinSides.get(join)
  if (sides === undefined) return []
  const pairs = equatedPairs(analysis, block, join, sides.left, sides.right)
  return left.flatMap((one) =>
    right.flatMap((other) => {
      const leftKeys = analysis.flow.reachable(seedKeys(one))
      const rightKeys = analysis.flow.reachable(seedKeys(other))
      const isEquated = pairs.some(([a, b]) => leftKeys.has(a) && rightKeys.has(b))
      return isEquated ? [[...one, ...other]] : []
    }),
  )
}

function seedKeys(seeds: Seeds): readonly ColumnKey[] {
  return seeds.map(({ relation, table }) => distributionKey(relation, table) ?? '')
}

function equatedPairs(
  { flow }: Analysis,
  block: Block,
  join: JoinExpr,
  left: FromPart,
  right: FromPart,
): readonly (readonly [ColumnKey, ColumnKey])[] {
  const pairs: (readonly [ColumnKey, ColumnKey])[] = []
  for (const name of usingColumns(join, left, right) ?? []) {
    const one = left.visible.find((column) => column.name === name)?.key
    const other = right.visible.find((column) => column.name === name)?.key
    if (one !== undefined && other !== undefined) pairs.push([one, other])
  }
  for (const condition of conjuncts(join.quals)) {
    const expression = condition.A_Expr
    if (expression?.kind !== 'AEXPR_OP' || expression.name?.[0]?.String?.sval !== '=') continue
    const one = flow.keyOf(block, expression.lexpr)
    const other = flow.keyOf(block, expression.rexpr)
    if (one !== undefined && other !== undefined) pairs.push([one, other], [other, one])
  }
  return pairs
}

/** Subqueries of FROM that hold the seed must themselves make each row from one shard's rows. */
function nestedBlocksAreLocal(analysis: Analysis, root: Block, pushdown: Pushdown): boolean {
  return pushdown.seeds.every(({ relation: seed }) =>
    allBlocks(root).every((block) => {
      const holdsSeed = allRelations(block).includes(seed) || reachesThroughCte(block, seed)
      return block === root || !holdsSeed || isRowLocal(analysis, block, pushdown)
    }),
  )
}

function reachesThroughCte(block: Block, seed: Relation): boolean {
  return block.relations.some(
    ({ block: inner }) =>
      inner !== undefined && (allRelations(inner).includes(seed) || reachesThroughCte(inner, seed)),
  )
}

function isRowLocal(analysis: Analysis, block: Block, pushdown: Pushdown): boolean {
  const select = block.select
  if (block.kind !== 'select' || select === undefined) return false
  if (select.limitCount !== undefined || select.limitOffset !== undefined) return false
  const core = coreShape(analysis, block, select, pushdown)
  return core.groupsByKey && core.distinctByKey && core.windowsByKey
}

export type CoreShape = {
  readonly isAggregated: boolean
  /** true also where there is nothing to group, make distinct or partition. */
  readonly groupsByKey: boolean
  readonly distinctByKey: boolean
  readonly windowsByKey: boolean
  readonly hasWindows: boolean
}

export function coreShape(
  analysis: Analysis,
  block: Block,
  select: SelectStmt,
  pushdown: Pushdown,
): CoreShape {
  const isKey = (tree: Tree | undefined) => isStrongKey(analysis, block, tree, pushdown)
  const isAggregated =
    select.groupClause !== undefined ||
    select.havingClause !== undefined ||
    hasAggregate([select.targetList, select.sortClause, select.distinctClause])
  const keys = groupKeys(select, block.outputs)
  const windows = windowsOf(select)
  return {
    isAggregated,
    groupsByKey: !isAggregated || keys?.some(isKey) === true,
    distinctByKey: isDistinctByKey(block, select, isKey),
    windowsByKey: windows.every((window) => window?.some(isKey) === true),
    hasWindows: windows.length > 0,
  }
}

function isDistinctByKey(
  block: Block,
  select: SelectStmt,
  isKey: (tree: Tree | undefined) => boolean,
): boolean {
  const { distinctClause } = select
  if (distinctClause === undefined) return true
  const isPlain = distinctClause.every((item) => Object.keys(item).length === 0)
  if (isPlain) return block.outputs?.some(({ expression }) => isKey(expression)) === true
  return distinctClause.some((item) => isKey(outputOrInput(block, item)))
}

/** The expression is a column that always has exactly the seed's distribution value, never null. */
export function isStrongKey(
  analysis: Analysis,
  block: Block,
  tree: Tree | undefined,
  pushdown: Pushdown,
): boolean {
  const reference = tree?.ColumnRef
  const resolved = reference === undefined ? undefined : resolveColumn(block, reference)
  if (resolved === undefined || resolved.block !== block) return false
  const { key, merged } = resolved.visible
  const full = keptRelations(block, true)
  if (key === undefined) {
    const isWhole = merged.every((side) => pushdown.reached.has(side) && full.has(relationOf(side)))
    return merged.length === 2 && isWhole
  }
  if (!pushdown.reached.has(key) || !keptRelations(block, false).has(relationOf(key))) return false
  const inner = resolved.relation?.block
  if (inner === undefined) return true
  const index = resolved.relation?.columns?.indexOf(resolved.visible.name) ?? -1
  return isStrongKey(analysis, inner, inner.outputs?.[index]?.expression, pushdown)
}
