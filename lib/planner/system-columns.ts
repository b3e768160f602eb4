import { type NamedRow, namedRow } from './named-rows.ts'
import {
  type Block,
  namedOutputs,
  type Relation,
  resolveColumn,
  wholeRowRelation,
} from './query-model.ts'
import { refuse } from './refusals.ts'
import { isStar, lastName, SYSTEM_COLUMNS } from './statement-checks.ts'
import {
  builtinName,
  type ColumnRef,
  type FuncCall,
  isRecord,
  type JoinExpr,
  type OperatorExpr,
  type SubLink,
  strings,
  type Tree,
  walkTree,
} from './tree.ts'

/** `direct`: a ctid may stand here by itself. `shown`: and whatever is made of it goes to the client. */
type Place = 'nowhere' | 'direct' | 'shown'

const COMPARISONS: ReadonlySet<string> = new Set(['=', '<>', '!=', '<', '<=', '>', '>='])

/**
 * A statement that is proven to run in each shard may compare the ctids of rows of one table: those that meet are of one shard, where
 * they are what they would be in one Postgres. From elsewhere none may come, and to elsewhere none may go but to be
 * shown: a ctid alone names another row in every shard. Of the other system columns nothing is the same everywhere.
 */
export function checkSystemColumns(root: Block, statement: unknown, showsRows: boolean): void {
  if (!namesSystemColumns(statement)) return
  const blocks = usersBlocks(root)
  const arms = new Set(blocks.flatMap((block) => block.arms))
  for (const block of blocks) {
    for (const relation of block.relations) checkRelation(relation)
    const isTrackable = block.kind === 'select' && !arms.has(block)
    const scope = { block, isRoot: block === root }
    if (block === root) checkRoot(scope, showsRows)
    else checkOutputs(scope, isTrackable ? 'direct' : 'nowhere')
    checkConditions(scope, block !== root || showsRows)
  }
}

/** Conditions of our own that know a row by more than its ctid, and the sublinks in them. */
const ownConditions = new WeakSet<object>()

export function namesRows(condition: Tree): void {
  ownConditions.add(condition)
  walkTree(condition, (kind, node) => {
    if (kind === 'SubLink') ownConditions.add(node)
    return undefined
  })
}

/** As allBlocks(), without those of our own conditions. */
function usersBlocks(root: Block): readonly Block[] {
  const users = root.children.filter(({ link }) => link === undefined || !ownConditions.has(link))
  const inner = [...root.arms, ...users.map(({ block }) => block)]
  return [root, ...inner.flatMap(usersBlocks)]
}

function namesSystemColumns(statement: unknown): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    if (kind === 'ColumnRef' && SYSTEM_COLUMNS.has(lastName(node) ?? '')) found = true
    return !found
  })
  return found
}

/** A block, and whether its rows are the statement's: those of others never leave their shard. */
type Scope = { readonly block: Block; readonly isRoot: boolean }

/** What its columns are must be known: one may be a row's ctid by another name. */
function checkRelation({ kind, block, columns }: Relation): void {
  if (kind === 'unknown' || (block !== undefined && columns === undefined)) {
    refuse('system-column', 'unknown columns')
  }
}

function checkRoot(scope: Scope, showsRows: boolean): void {
  const { modify } = scope.block
  visit(scope, modify?.statement.targetList, 'nowhere')
  checkOutputs(scope, showsRows ? 'shown' : 'nowhere')
}

function checkOutputs(scope: Scope, place: Place): void {
  const { outputs, select } = scope.block
  if (outputs === undefined) refuse('system-column', 'unknown columns')
  // a star's own references are plain columns
  for (const { expression } of outputs ?? []) visit(scope, expression, place)
  visit(scope, select?.valuesLists, 'nowhere')
}

function checkConditions(scope: Scope, ordersRows: boolean): void {
  const { isRoot, block } = scope
  const { select, modify } = block
  const place = ordersRows ? 'direct' : 'nowhere'
  visit(scope, select?.whereClause ?? modify?.statement.whereClause, 'nowhere')
  visit(scope, select?.havingClause, 'nowhere')
  for (const items of [select?.groupClause, select?.distinctClause, select?.windowClause]) {
    visit(scope, items, isRoot ? 'nowhere' : 'direct')
  }
  checkOrder(scope, place)
  for (const item of select?.fromClause ?? modify?.from ?? []) checkFrom(scope, item)
}

function checkFrom(scope: Scope, item: Tree): void {
  const { JoinExpr, RangeFunction, RangeTableSample } = item
  visit(scope, RangeFunction?.functions, 'nowhere')
  visit(scope, RangeTableSample, 'nowhere')
  if (JoinExpr === undefined) return
  checkMerged(scope.block, JoinExpr)
  visit(scope, JoinExpr.quals, 'nowhere')
  for (const side of [JoinExpr.larg, JoinExpr.rarg]) if (side !== undefined) checkFrom(scope, side)
}

/** USING compares, too. */
function checkMerged(block: Block, { isNatural, usingClause }: JoinExpr): void {
  if (isNatural !== true && usingClause === undefined) return
  const names = isNatural === true ? undefined : strings(usingClause)
  for (const { block: inner, columns } of block.relations) {
    columns?.forEach((name, index) => {
      const isMerged = names?.includes(name) ?? true
      const expression = inner?.outputs?.[index]?.expression
      if (isMerged && inner !== undefined && namedRow(inner, expression) !== undefined) {
        refuse('system-column', name)
      }
    })
  }
}

function visit(scope: Scope, value: unknown, place: Place): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(scope, item, place)
    return
  }
  if (!isRecord(value) || ownConditions.has(value)) return
  const { ColumnRef, A_Expr, NullTest, SubLink, FuncCall, SortBy, WindowDef } = value as Tree
  if (ColumnRef !== undefined) checkReference(scope, ColumnRef, place)
  else if (A_Expr !== undefined) checkOperator(scope, A_Expr, place)
  else if (NullTest !== undefined) visit(scope, NullTest.arg, 'direct')
  else if (SubLink !== undefined) checkSubLink(scope, SubLink, place)
  else if (FuncCall !== undefined) checkCall(scope, FuncCall, place)
  else if (SortBy !== undefined) visit(scope, SortBy.node, place)
  else if (WindowDef !== undefined) checkWindow(scope, WindowDef, place)
  else {
    for (const child of Object.values(value)) visitParts(scope, child, place)
  }
}

/** An output's name comes before a column's. */
function checkOrder(scope: Scope, place: Place): void {
  const { block } = scope
  for (const { SortBy } of block.select?.sortClause ?? []) {
    const node = SortBy?.node ?? {}
    if (namedOutputs(block, node).length === 0) visit(scope, node, place)
  }
}

/** The parts of a node of no special kind. */
function visitParts(scope: Scope, value: unknown, place: Place): void {
  visit(scope, value, place === 'shown' ? 'shown' : 'nowhere')
}

function checkReference({ block }: Scope, reference: ColumnRef, place: Place): void {
  const name = lastName(reference) ?? ''
  const refused = (): never => refuse('system-column', name, reference.location)
  const row = namedRow(block, { ColumnRef: reference })
  if (row !== undefined) {
    if (place === 'nowhere') refused()
    return
  }
  if (isStar({ ColumnRef: reference }) || showsRow(block, reference)) refused()
  const isOwn = resolveColumn(block, reference) !== undefined
  if (SYSTEM_COLUMNS.has(name) && !isOwn && place !== 'shown') refused()
}

/** A row of a subquery that has a ctid in it. */
function showsRow(block: Block, reference: ColumnRef): boolean {
  const inner = wholeRowRelation(block, reference)?.block
  return (
    inner?.outputs?.some(({ expression }) => namedRow(inner, expression) !== undefined) === true
  )
}

function checkOperator(scope: Scope, expression: OperatorExpr, place: Place): void {
  const { kind, name, lexpr, rexpr } = expression
  const isComparison = kind === 'AEXPR_OP' && COMPARISONS.has(strings(name).at(-1) ?? '')
  if (isComparison || kind === 'AEXPR_DISTINCT' || kind === 'AEXPR_NOT_DISTINCT') {
    const left = lexpr?.RowExpr?.args ?? [lexpr]
    const right = rexpr?.RowExpr?.args ?? [rexpr]
    const width = Math.max(left.length, right.length)
    for (let index = 0; index < width; index += 1) compare(scope, left[index], right[index])
    return
  }
  if (kind === 'AEXPR_IN') {
    for (const item of rexpr?.List?.items ?? []) compare(scope, lexpr, item)
    return
  }
  const isOther = kind === 'AEXPR_OP'
  for (const side of [lexpr, rexpr]) visitParts(scope, side, isOther ? place : 'nowhere')
}

function compare(scope: Scope, left: Tree | undefined, right: Tree | undefined): void {
  const rows = [comparedRow(scope.block, left), comparedRow(scope.block, right)]
  if (!areOfOneTable(rows)) {
    visit(scope, left, 'nowhere')
    visit(scope, right, 'nowhere')
  }
}

/** Of different tables nothing could be said even in one Postgres. false: neither is a row's ctid, or only one is. */
function areOfOneTable([left, right]: readonly (NamedRow | undefined)[]): boolean {
  return left !== undefined && left.table.oid === right?.table.oid
}

function comparedRow(block: Block, tree: Tree | undefined): NamedRow | undefined {
  const { SubLink } = tree ?? {}
  if (SubLink?.subLinkType !== 'EXPR_SUBLINK') return namedRow(block, tree)
  const inner = innerBlock(block, SubLink)
  return inner === undefined ? undefined : namedRow(inner, inner.outputs?.[0]?.expression)
}

function innerBlock(block: Block, link: SubLink): Block | undefined {
  return block.children.find((child) => child.link === link)?.block
}

function checkSubLink(scope: Scope, link: SubLink, place: Place): void {
  const { subLinkType, testexpr } = link
  if (subLinkType === 'EXISTS_SUBLINK') return
  const { block } = scope
  const inner = innerBlock(block, link)
  const tests = testexpr?.RowExpr?.args ?? (testexpr === undefined ? [] : [testexpr])
  inner?.outputs?.forEach(({ expression }, index) => {
    const test = tests[index]
    const row = namedRow(inner, expression)
    if (areOfOneTable([namedRow(block, test), row])) return
    if (row !== undefined && (test !== undefined || place !== 'shown')) {
      refuse('system-column', 'ctid', link.location)
    }
    visit(scope, test, 'nowhere')
  })
  if (inner?.outputs === undefined) visit(scope, testexpr, 'nowhere')
}

const OF_ROWS: ReadonlySet<string> = new Set(['min', 'max', 'count'])

function checkCall(scope: Scope, call: FuncCall, place: Place): void {
  const isOfRows = OF_ROWS.has(builtinName(call) ?? '') && call.agg_distinct !== true
  if (place === 'nowhere' && namedRow(scope.block, { FuncCall: call }) !== undefined) {
    refuse('system-column', 'ctid', call.location)
  }
  visit(scope, call.args, isOfRows ? 'direct' : asPart(place))
  visit(scope, call.agg_filter, 'nowhere')
  // what is put in order here is not put together with other shards' rows
  const inside = scope.isRoot && place !== 'shown' ? 'nowhere' : 'direct'
  visit(scope, call.agg_order, inside)
  if (call.over !== undefined) checkWindow(scope, call.over, inside)
}

function asPart(place: Place): Place {
  return place === 'shown' ? 'shown' : 'nowhere'
}

function checkWindow(
  scope: Scope,
  { partitionClause, orderClause }: NonNullable<Tree['WindowDef']>,
  place: Place,
): void {
  visit(scope, partitionClause, place)
  visit(scope, orderClause, place)
}
