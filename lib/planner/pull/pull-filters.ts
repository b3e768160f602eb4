import type { Analysis } from '../analysis.ts'
import { checkVolatility, hasAggregate, hasReadingSubLink } from '../expressions.ts'
import { keptRelations } from '../kept-relations.ts'
import { allBlocks, type Block, type Relation, resolveColumn } from '../query-model.ts'
import { Refusal } from '../refusals.ts'
import { dependsOnNode } from '../statement-checks.ts'
import { conjuncts, isRecord, type MergeStmt, type Tree, type UpdateStmt } from '../tree.ts'

/**
 * Conditions of the statement that only concern the columns of one relation and that each of its rows must meet to
 * matter: those of its block's WHERE and of inner joins, where no outer join fills it with nulls.
 */
export function rowFilters({ root }: Pick<Analysis, 'root'>, relation: Relation): readonly Tree[] {
  const block = allBlocks(root).find(({ relations }) => relations.includes(relation))
  if (block === undefined || !isFiltered(block, relation)) return []
  if (!keptRelations(block, false).has(relation.id)) {
    return ownConditions(block, relation, outerConditions(block, relation))
  }
  return ownConditions(block, relation, blockConditions(block, relation))
}

/** The block has conditions that each of the relation's rows must meet to matter. */
export function isFiltered(
  { select, modify, kind, relations }: Block,
  relation: Relation,
): boolean {
  if (kind !== 'merge') return select !== undefined || modify !== undefined
  // source rows that match none are inserted, target rows that match none may be meant by the source's absence
  const merge = modify?.statement as MergeStmt | undefined
  return relation === relations[0] && merge?.mergeWhenClauses?.some(isBySource) !== true
}

/** ON of the outer join that may fill the relation with nulls, and those of inner joins below: what they keep out has no partner. */
function outerConditions(block: Block, { node }: Relation): readonly Tree[] {
  const from = block.select?.fromClause ?? []
  const find = (item: Tree | undefined): readonly Tree[] => {
    const join = item?.JoinExpr
    if (join === undefined) return []
    const { larg, rarg, jointype, quals } = join
    const side = [larg, rarg].find((one) => one !== undefined && holds(one, node))
    const isNullable =
      (side === rarg && jointype === 'JOIN_LEFT') || (side === larg && jointype === 'JOIN_RIGHT')
    if (side === undefined || !isNullable || !isInner(side, node)) return find(side)
    return [...conjuncts(quals), ...joinConditions(side, node).flatMap(conjuncts)]
  }
  return from.flatMap(find)
}

/** Only inner joins on the way down. */
function isInner(item: Tree, node: Tree): boolean {
  if (item === node) return true
  const { larg, rarg, jointype } = item.JoinExpr ?? {}
  const side = [larg, rarg].find((one) => one !== undefined && holds(one, node))
  return side !== undefined && jointype === 'JOIN_INNER' && isInner(side, node)
}

function isBySource({
  MergeWhenClause,
}: NonNullable<MergeStmt['mergeWhenClauses']>[number]): boolean {
  return MergeWhenClause?.matchKind === 'MERGE_WHEN_NOT_MATCHED_BY_SOURCE'
}

/** WHERE's, and those of the inner joins that the relation is a side of. */
export function blockConditions({ select, modify }: Block, { node }: Relation): readonly Tree[] {
  const from = select?.fromClause ?? modify?.from ?? []
  const joined = from.flatMap((item) => joinConditions(item, node))
  const statement = modify?.statement as (UpdateStmt & MergeStmt) | undefined
  const where = select?.whereClause ?? statement?.whereClause ?? statement?.joinCondition
  return [...conjuncts(where), ...joined.flatMap(conjuncts)]
}

/** Those that concern the relation alone, and what of an OR over several relations each of its arms demands of this one. */
export function ownConditions(
  block: Block,
  relation: Relation,
  conditions: readonly Tree[],
): readonly Tree[] {
  return conditions.flatMap((condition) => {
    if (isOwn(block, relation, condition)) return isSafe(condition) ? [condition] : []
    const alternatives = ownAlternatives(block, relation, condition)
    return alternatives === undefined ? [] : [alternatives]
  })
}

/** `a.x = 1 AND b.y = 2 OR a.x = 3 AND b.y = 4` wants of each row of a: `x = 1 OR x = 3`. */
function ownAlternatives(block: Block, relation: Relation, { BoolExpr }: Tree): Tree | undefined {
  if (BoolExpr?.boolop !== 'OR_EXPR') return undefined
  const args: Tree[] = []
  for (const arm of BoolExpr.args ?? []) {
    const own = ownConditions(block, relation, conjuncts(arm))
    if (own.length === 0) return undefined
    args.push(own.length === 1 && own[0] ? own[0] : { BoolExpr: { boolop: 'AND_EXPR', args: own } })
  }
  return { BoolExpr: { boolop: 'OR_EXPR', args } }
}

/** ON of the inner joins that the relation is a side of. */
function joinConditions(item: Tree, node: Tree): readonly Tree[] {
  const join = item.JoinExpr
  if (join === undefined || !holds(item, node)) return []
  const own = join.jointype === 'JOIN_INNER' && join.quals !== undefined ? [join.quals] : []
  const sides = [join.larg, join.rarg].flatMap((side) => (side === undefined ? [] : [side]))
  return [...own, ...sides.flatMap((side) => joinConditions(side, node))]
}

function holds(item: Tree, node: Tree): boolean {
  if (item === node) return true
  const { larg, rarg } = item.JoinExpr ?? {}
  return [larg, rarg].some((side) => side !== undefined && holds(side, node))
}

/** Every column in it is the relation's. */
function isOwn(block: Block, relation: Relation, value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => isOwn(block, relation, item))
  if (!isRecord(value)) return true
  const reference = (value as Tree).ColumnRef
  if (reference === undefined) {
    return Object.values(value).every((item) => isOwn(block, relation, item))
  }
  const resolved = resolveColumn(block, reference)
  return resolved?.block === block && resolved.relation === relation
}

/** The same on every node. */
function isSafe(condition: Tree): boolean {
  if (hasReadingSubLink(condition) || hasAggregate(condition) || dependsOnNode(condition))
    return false
  try {
    return !checkVolatility(condition, false)
  } catch (error) {
    if (error instanceof Refusal) return false
    throw error
  }
}
