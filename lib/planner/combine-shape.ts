import type { Analysis } from './analysis.ts'
import {
  checkVolatility,
  hasReadingSubLink,
  hasSubLink,
  isAggregate,
  renumberParameters,
  visitLevel,
} from './expressions.ts'
import type { FunctionWorld } from './functions/proven-functions.ts'
import type { CombineQuery } from './plan.ts'
import { printStatement } from './plan-input.ts'
import type { CoreShape, Pushdown } from './pushdown.ts'
import {
  allBlocks,
  type Block,
  namedOutputs,
  type Output,
  resolveColumn,
  wholeRowRelation,
} from './query-model.ts'
import { refuse } from './refusals.ts'
import { ownExpressions } from './statement-checks.ts'
import { mapTree, type SelectStmt, type SortBy, type Tree, treeKey } from './tree.ts'

/** A scatter SELECT as its planners see it. now() and its kin are parameters by now. */
export type SelectShape = {
  readonly analysis: Analysis
  readonly block: Block
  readonly select: SelectStmt
  readonly outputs: readonly Output[]
  readonly pushdown: Pushdown
  readonly core: CoreShape
  readonly sorts: readonly SortKey[]
}

/** ORDER BY's item: an output column (0 based), or an expression over the input columns. */
export type SortKey = {
  readonly sort: SortBy
  readonly output: number | undefined
  readonly expression: Tree
}

/** Resolves ORDER BY as Postgres does: ordinal, then output name, then expression, found among the outputs if it is one. */
export function sortKeys(
  block: Block,
  select: SelectStmt,
  outputs: readonly Output[],
): readonly SortKey[] {
  return (select.sortClause ?? []).map(({ SortBy: sort = {} }) => {
    const node = sort.node ?? {}
    const output = sortOutput(block, node, outputs)
    return { sort, output, expression: node }
  })
}

export function namedOutput(block: Block, item: Tree): Output | undefined {
  const named = namedOutputs(block, item)
  return named.length > 1
    ? refuse('expression', 'ambiguous column', item.ColumnRef?.location)
    : named[0]
}

/** DISTINCT ON's items are looked up in the same way. */
export function sortOutput(
  block: Block,
  node: Tree,
  outputs: readonly Output[],
): number | undefined {
  const ordinal = node.A_Const?.ival?.ival
  if (ordinal !== undefined) return ordinal - 1
  const named = namedOutput(block, node)
  if (named !== undefined) return outputs.indexOf(named)
  const key = canonicalKey(block, node)
  const found = outputs.findIndex(
    ({ expression }) => expression !== undefined && canonicalKey(block, expression) === key,
  )
  return found < 0 ? undefined : found
}

/** Equal for expressions that are the same once their columns are resolved. */
export function canonicalKey(block: Block, tree: Tree): string {
  return treeKey(
    mapTree(tree, (node) => {
      if (node.ColumnRef === undefined) return undefined
      const resolved = resolveColumn(block, node.ColumnRef)
      if (resolved === undefined) return node
      const { key, merged } = resolved.visible
      return { ColumnRef: { fields: [{ String: { sval: `\0${key ?? merged.join()}` } }] } }
    }),
  )
}

/** The n-th gathered column (1 based), as the combine query names it. */
export function sourceColumn(number: number): Tree {
  return { ColumnRef: { fields: [{ String: { sval: 's' } }, { String: { sval: `c${number}` } }] } }
}

/**
 * The gathered column with the collation that `expression` has in the original: the source's columns have their
 * types' own.
 */
export function collated(
  { analysis, block }: Pick<SelectShape, 'analysis' | 'block'>,
  expression: Tree,
  column: Tree,
): Tree {
  const key = analysis.flow.keyOf(block, expression)
  if (expression.ColumnRef !== undefined) {
    const collation = analysis.flow.columnType(key)?.collation
    return collation === undefined ? column : withCollation(column, collation)
  }
  const hasCollations = [...analysis.tables.distributed, ...analysis.tables.reference].some(
    ({ columns }) => columns.some(({ collation }) => collation !== undefined),
  )
  visitLevel(expression, (node) => {
    if (node.CollateClause !== undefined) refuse('expression', 'collation')
    if (node.ColumnRef !== undefined && hasCollations) checkCollation(analysis, block, node)
    return true
  })
  return column
}

function checkCollation(analysis: Analysis, block: Block, node: Tree): void {
  const type = analysis.flow.columnType(analysis.flow.keyOf(block, node))
  if (type === undefined || type.collation !== undefined) refuse('expression', 'collation')
}

function withCollation(arg: Tree, collation: string): Tree {
  const names = [...collation.matchAll(/"((?:[^"]|"")*)"|([^".]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  )
  const collname = names.map((sval) => ({ String: { sval } }))
  return { CollateClause: { arg, collname } }
}

export function target(value: Tree, name: string | undefined): Tree {
  return { ResTarget: name === undefined ? { val: value } : { name, val: value } }
}

export const PLAIN_SELECT = { limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE' } as const

/** LIMIT and OFFSET as they are, for the combine query. */
export function limitClauses(select: SelectStmt) {
  return {
    ...(select.limitCount === undefined ? {} : { limitCount: select.limitCount }),
    ...(select.limitOffset === undefined ? {} : { limitOffset: select.limitOffset }),
    limitOption: select.limitOption ?? 'LIMIT_OPTION_DEFAULT',
  }
}

const SOURCE = 'pgloom_gathered_rows'

/** The combine query for `select`, whose FROM this fills in. `finish` may still depend on the columns' types. */
export function combineQuery(
  analysis: Analysis,
  select: SelectStmt,
  rest: Pick<CombineQuery, 'inexactTypes' | 'gathered'> = { inexactTypes: [], gathered: undefined },
  finish: (tree: Tree, columnTypeOids: readonly number[]) => Tree = (tree) => tree,
): CombineQuery {
  if (hasReadingSubLink(select)) refuse('expression', 'subquery over aggregates')
  const statement: Tree = {
    SelectStmt: {
      ...select,
      fromClause: [{ RangeVar: { relname: SOURCE, inh: true, relpersistence: 'p' } }],
    },
  }
  const { tree, parameters, usesTime } = renumberParameters(statement)
  const printed = new Map<string, readonly string[]>()
  // the first print proves that the query can be printed at all
  print(analysis, finish(tree, []))
  return {
    text: (source, columnTypeOids) => {
      const key = columnTypeOids.join()
      const parts = printed.get(key) ?? print(analysis, finish(tree, columnTypeOids))
      printed.set(key, parts)
      return parts.join(source)
    },
    parameters,
    usesTransactionTime: usesTime,
    ...rest,
  }
}

function print({ input }: Analysis, tree: Tree): readonly string[] {
  const parts = printStatement(input, tree).split(SOURCE)
  return parts.length === 2 ? parts : refuse('expression')
}

/** What no SELECT over several shards may hold. Returns whether it uses now() and its kin. */
export function checkScatterSelect(
  block: Block,
  select: SelectStmt,
  isConcatenation: boolean,
  world: FunctionWorld,
): boolean {
  const { targetList, ...rest } = select
  const inRest = checkVolatility(rest, false, world)
  const inTargets = checkVolatility(targetList, isConcatenation, world)
  for (const inner of allBlocks(block)) {
    if (inner === block) continue
    for (const value of ownExpressions(inner)) checkOuterAggregates(inner, value)
  }
  if (!isConcatenation) checkOrdinals(select, block.outputs?.length)
  if (hasSubLink([select.limitCount, select.limitOffset])) refuse('expression', 'subquery in LIMIT')
  return inRest || inTargets
}

/** Postgres takes none but integer constants for ordinals: the combine query would have others as columns. */
function checkOrdinals(select: SelectStmt, width: number | undefined): void {
  const sorted = select.sortClause?.map(({ SortBy }) => SortBy?.node) ?? []
  for (const item of [...(select.groupClause ?? []), ...(select.distinctClause ?? []), ...sorted]) {
    const constant = item?.A_Const
    if (constant === undefined) continue
    const ordinal = constant.ival === undefined ? undefined : (constant.ival.ival ?? 0)
    // ORDER BY keeps its ordinals: the combine query fails as the statement itself would
    const isKept = sorted.includes(item)
    const isOrdinal =
      ordinal !== undefined && (isKept || (ordinal >= 1 && ordinal <= (width ?? Infinity)))
    if (!isOrdinal) refuse('expression', 'constant that is no ordinal', constant.location)
  }
}

/** An aggregate whose columns are all an outer query's belongs to that one. */
function checkOuterAggregates(block: Block, value: unknown): void {
  visitLevel(value, (node) => {
    if (!isAggregate(node)) return true
    let isOwn = true
    let hasColumns = false
    const { FuncCall, JsonArrayAgg, JsonObjectAgg } = node
    visitLevel(FuncCall?.args ?? JsonArrayAgg?.arg ?? JsonObjectAgg?.arg, ({ ColumnRef }) => {
      if (ColumnRef === undefined) return true
      if (!hasColumns) isOwn = false
      hasColumns = true
      const resolved = resolveColumn(block, ColumnRef)
      const isWholeRow = wholeRowRelation(block, ColumnRef) !== undefined
      if (resolved?.block === block || (resolved === undefined && isWholeRow)) isOwn = true
      return true
    })
    if (!isOwn) refuse('expression', 'aggregate of an outer query')
    return true
  })
}
