import type { Analysis } from '../analysis.ts'
import { hasAggregate, visitLevel } from '../expressions.ts'
import { windowsOf } from '../group-keys.ts'
import { namedRow } from '../named-rows.ts'
import {
  allBlocks,
  type Block,
  findRelation,
  type Relation,
  resolveColumn,
} from '../query-model.ts'
import { refuse } from '../refusals.ts'
import { isStar, ownExpressions } from '../statement-checks.ts'
import {
  type ColumnRef,
  conjuncts,
  type SubLink,
  strings,
  type Tree,
  type UpdateStmt,
  walkTree,
} from '../tree.ts'

/** A SELECT that says which rows an UPDATE or DELETE is about. */
export type ChosenRows = {
  readonly block: Block
  /** Expressions of the statement's own row, and those of the SELECT that they are to be equal to. */
  readonly pairs: readonly (readonly [Tree, Tree])[]
  /** The statement without it. */
  readonly rest: UpdateStmt
}

export function chosenRows(analysis: Analysis): ChosenRows {
  const { root } = analysis
  const { statement, from = [] } = root.modify ?? {}
  if (statement === undefined) return refuse('subquery-not-pushable')
  const { whereClause, withClause, ...bare } = statement
  const conditions = conjuncts(whereClause)
  const found = inConditions(root, conditions) ?? inFrom(root, from, conditions)
  if (found === undefined) return refuse('subquery-not-pushable')
  const { block, pairs, others, item } = found
  const isCommon = root.children.some((child) => child.block === block && child.place === 'cte')
  if (isCommon && (withClause?.ctes?.length !== 1 || analysis.builder.cteUses.get(block) !== 1)) {
    return refuse('subquery-not-pushable')
  }
  const rest: UpdateStmt = {
    ...(item === undefined ? bare : withoutItem(bare, item)),
    ...(withClause === undefined || isCommon ? {} : { withClause }),
    ...(others.length === 0
      ? {}
      : { whereClause: { BoolExpr: { boolop: 'AND_EXPR', args: others } } }),
  }
  return { block, pairs, rest }
}

type Found = Pick<ChosenRows, 'block' | 'pairs'> & {
  readonly others: readonly Tree[]
  /** Of FROM or USING. */
  readonly item?: Tree
}

/** `x IN (SELECT …)`, `x = ANY (ARRAY(SELECT …))`, `x = (SELECT … LIMIT 1)`. */
function inConditions(root: Block, conditions: readonly Tree[]): Found | undefined {
  for (const condition of conditions) {
    const [tests, link] = comparison(condition)
    const inner = root.children.find((child) => child.link === link && link !== undefined)?.block
    const outputs = inner?.outputs?.map(({ expression }) => expression)
    if (inner === undefined || outputs === undefined || tests.length !== outputs.length) continue
    const source = sourceOf(inner, outputs)
    const { limitCount, limitOption } = source?.block.select ?? {}
    const isOne = limitCount?.A_Const?.ival?.ival === 1 && limitOption === 'LIMIT_OPTION_COUNT'
    if (source === undefined || (link?.subLinkType === 'EXPR_SUBLINK' && !isOne)) continue
    const pairs = tests.map((test, index) => pair(test, source.outputs[index]))
    return { block: source.block, pairs, others: conditions.filter((one) => one !== condition) }
  }
  return undefined
}

function pair(one: Tree, other: Tree | undefined): readonly [Tree, Tree] {
  return [one, other ?? {}]
}

function comparison({ SubLink, A_Expr }: Tree): readonly [readonly Tree[], SubLink | undefined] {
  if (SubLink !== undefined) {
    const { subLinkType, operName, testexpr } = SubLink
    const isEquality = operName === undefined || strings(operName).join('.') === '='
    if (subLinkType !== 'ANY_SUBLINK' || !isEquality || testexpr === undefined)
      return [[], undefined]
    return [testexpr.RowExpr?.args ?? [testexpr], SubLink]
  }
  const { kind, name, lexpr, rexpr } = A_Expr ?? {}
  const link = rexpr?.SubLink
  const wanted = kind === 'AEXPR_OP' ? 'EXPR_SUBLINK' : 'ARRAY_SUBLINK'
  const isKnown = kind === 'AEXPR_OP' || kind === 'AEXPR_OP_ANY'
  if (!isKnown || strings(name).join('.') !== '=' || lexpr === undefined) return [[], undefined]
  return link?.subLinkType === wanted ? [[lexpr], link] : [[], undefined]
}

/** What a CTE or subquery gives as it is, is that one's. */
function sourceOf(
  block: Block,
  outputs: readonly (Tree | undefined)[],
): { readonly block: Block; readonly outputs: readonly (Tree | undefined)[] } | undefined {
  const { select, relations, kind } = block
  if (kind !== 'select' || select === undefined || !isPlain(block)) return undefined
  const [relation, ...others] = relations
  const inner = relation?.block
  if (inner === undefined) return { block, outputs }
  const { whereClause, sortClause, limitCount, limitOffset, lockingClause, withClause } = select
  const isMore =
    whereClause ?? sortClause ?? limitCount ?? limitOffset ?? lockingClause ?? withClause
  if (isMore !== undefined || others.length > 0) return undefined
  const own = outputs.map((output) => outputOf(block, relation, output))
  return own.includes(undefined) ? undefined : sourceOf(inner, own)
}

function outputOf(
  block: Block,
  relation: Relation | undefined,
  tree: Tree | undefined,
): Tree | undefined {
  const reference = tree?.ColumnRef
  const resolved = reference === undefined ? undefined : resolveColumn(block, reference)
  if (resolved === undefined || resolved.relation !== relation) return undefined
  const index = relation?.columns?.indexOf(resolved.visible.name) ?? -1
  return relation?.block?.outputs?.[index]?.expression
}

/** `UPDATE t … FROM (SELECT …) s WHERE t.x = s.x` */
function inFrom(
  root: Block,
  from: readonly Tree[],
  conditions: readonly Tree[],
): Found | undefined {
  for (const relation of root.relations.slice(1)) {
    const { node, block, kind } = relation
    const isItem = from.includes(node) && (kind === 'cte' || kind === 'subquery')
    if (!isItem || block === undefined || relation.isLateral) continue
    const compared = conditions.map((condition) => comparedWith(root, relation, condition))
    const known = compared.filter((one) => one !== undefined)
    const source = sourceOf(
      block,
      known.map(({ output }) => output),
    )
    if (source === undefined || known.length === 0) continue
    const others = conditions.filter((_, index) => compared[index] === undefined)
    const pairs = known.map(({ own }, index) => pair(own, source.outputs[index]))
    return { block: source.block, pairs, others, item: node }
  }
  return undefined
}

function comparedWith(
  root: Block,
  relation: Relation,
  { A_Expr }: Tree,
): { readonly own: Tree; readonly output: Tree } | undefined {
  if (A_Expr?.kind !== 'AEXPR_OP' || strings(A_Expr.name).join('.') !== '=') return undefined
  const { lexpr, rexpr } = A_Expr
  if (lexpr === undefined || rexpr === undefined) return undefined
  const right = outputOf(root, relation, rexpr)
  if (right !== undefined) return { own: lexpr, output: right }
  const left = outputOf(root, relation, lexpr)
  return left === undefined ? undefined : { own: rexpr, output: left }
}

function withoutItem(bare: UpdateStmt, item: Tree): UpdateStmt {
  const { usingClause, fromClause, ...rest } = bare as UpdateStmt & {
    usingClause?: readonly Tree[]
  }
  const left = (items: readonly Tree[] | undefined) => items?.filter((one) => one !== item) ?? []
  const [from, using] = [left(fromClause), left(usingClause)]
  return {
    ...rest,
    ...(from.length === 0 ? {} : { fromClause: from }),
    ...(using.length === 0 ? {} : { usingClause: using }),
  } as UpdateStmt
}

/** It gives rows of tables as they are. */
function isPlain({ select }: Block): boolean {
  const { distinctClause, groupClause, havingClause, valuesLists, targetList } = select ?? {}
  const isMade = distinctClause ?? groupClause ?? havingClause ?? valuesLists
  if (isMade !== undefined || windowsOf(select ?? {}).length > 0) return false
  return !hasAggregate([targetList, select?.sortClause])
}

/** Nothing in it is of the statement around it. */
export function isUncorrelated(block: Block): boolean {
  const inside = new Set(allBlocks(block))
  return [...inside].every((inner) => {
    const { limitCount, limitOffset } = inner.select ?? {}
    let isOwn = true
    visitLevel([...ownExpressions(inner), limitCount, limitOffset], ({ ColumnRef }) => {
      if (ColumnRef !== undefined && !isStar({ ColumnRef }))
        isOwn &&= isInside(inner, inside, ColumnRef)
      return isOwn
    })
    return isOwn
  })
}

function isInside(block: Block, inside: ReadonlySet<Block>, reference: ColumnRef): boolean {
  const resolved = resolveColumn(block, reference)
  if (resolved !== undefined) return inside.has(resolved.block)
  const names = strings(reference.fields)
  if (namedRow(block, { ColumnRef: reference }) === undefined) return false
  if (names.length === 1) return block.relations.length === 1
  return findRelation(block, names.slice(0, -1)) !== undefined
}

/** The statement says nothing of the FROM item any more. */
export function leavesOut(rest: UpdateStmt, { alias, columns = [] }: Relation): boolean {
  let isOut = true
  walkTree(rest, (kind, node) => {
    if (kind !== 'ColumnRef') return isOut
    const fields = (node['fields'] ?? []) as readonly Tree[]
    const [first = ''] = strings(fields)
    const isStarAlone = fields.length === 1 && fields[0]?.A_Star !== undefined
    if (isStarAlone || first === alias || (fields.length === 1 && columns.includes(first)))
      isOut = false
    return isOut
  })
  return isOut
}
