import { type Analysis, analyse } from '../analysis.ts'
import { BlockRanges } from '../block-ranges.ts'
import { visitLevel } from '../expressions.ts'
import { groupKeys } from '../group-keys.ts'
import { EXTRA_COLUMN } from '../ordered-rows.ts'
import type { Pin, PulledPart, ScatterSelect, TextRange } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { coreShape, provePushable } from '../pushdown.ts'
import {
  allBlocks,
  allRelations,
  type Block,
  type Output,
  type Relation,
  resolveColumn,
} from '../query-model.ts'
import { Refusal } from '../refusals.ts'
import { planScatterSelect } from '../scatter-planner.ts'
import { isStar, ownExpressions } from '../statement-checks.ts'
import { builtinName, type SelectStmt, type Tree, walkTree } from '../tree.ts'

/** Functions of Postgres' own that give records, which no table holds. */
const GIVES_RECORDS = /_each|_to_record|_populate|explode|_stat|^pg_/

export type PartReading = Pick<Analysis, 'root'> & {
  readonly pinOf: (relation: Relation) => Pin | undefined
}

/**
 * The SELECTs inside a statement that may run by themselves over all shards and make few rows of many: by aggregates,
 * DISTINCT or LIMIT. Their rows are made first, and the statement reads those.
 */
export function pullParts(input: PlanInput, reading: PartReading): readonly PulledPart[] {
  const { root } = reading
  // a parameter that only a part has would have no type in what is left
  if (hasParameters(input.statement)) return []
  const context = partContext(input, reading)
  const parts: PulledPart[] = []
  const visit = (block: Block, isArm: boolean): void => {
    if (block.isRecursive) return
    const part = block === root ? undefined : partOf(context, block, { isArm })
    if (part !== undefined) {
      // the tree has the source of SET (a, b) = (SELECT …) once for each column
      if (!parts.some(({ start }) => start === part.start)) parts.push(part)
      return
    }
    for (const arm of block.arms) visit(arm, true)
    // INSERT gives its SELECT's bare literals the target's types
    for (const child of block.children) visit(child.block, block.kind === 'insert')
  }
  visit(root, false)
  return parts
}

export type PartContext = {
  readonly input: PlanInput
  readonly reading: PartReading
  readonly ranges: BlockRanges
  readonly ctes: readonly object[]
}

type PartWish = {
  /** Of a set operation. */
  readonly isArm: boolean
  /** What is asked of it instead of all of its rows. */
  readonly select?: SelectStmt | undefined
  /** Its rows need not be few. */
  readonly mayBeMany?: boolean
}

export function partContext(input: PlanInput, reading: PartReading): PartContext {
  return { input, reading, ranges: new BlockRanges(input), ctes: commonTables(input.statement) }
}

/** undefined: it is not known to be right by itself. */
export function partOf(
  context: PartContext,
  block: Block,
  { isArm, select = block.select, mayBeMany = false }: PartWish,
): PulledPart | undefined {
  const { ranges, ctes } = context
  const { outputs } = block
  if (block.kind !== 'select' || select === undefined || outputs === undefined) return undefined
  if (!readsShards(block) || !isOwnOnly(block, ctes)) return undefined
  const range = ranges.rangeOf(block)
  if (range === undefined) return undefined
  try {
    return planPart(context, { block, select, isArm, mayBeMany, range, outputs })
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

type Candidate = {
  readonly block: Block
  readonly select: SelectStmt
  readonly isArm: boolean
  readonly mayBeMany: boolean
  readonly range: TextRange
  readonly outputs: readonly Output[]
}

function planPart({ input, reading }: PartContext, candidate: Candidate): PulledPart | undefined {
  const { block, select, isArm, mayBeMany, range, outputs } = candidate
  const statement: Tree = { SelectStmt: select }
  const analysis = analyse({ ...input, statement, part: range }, statement)
  const { root, tables } = analysis
  if (tables.hasLocal || root.select === undefined) return undefined
  const core = coreShape(analysis, root, root.select, provePushable(analysis, root))
  const { distinctClause, limitCount } = root.select
  const isFew = core.isAggregated || distinctClause !== undefined || limitCount !== undefined
  if (!isFew && !mayBeMany) return undefined
  if (isArm && hasUntyped(root, core.groupsByKey && core.windowsByKey)) return undefined
  const scatter = planScatterSelect(analysis, (plan) => plan())
  const isTimed = scatter.usesTransactionTime || scatter.combine?.usesTransactionTime === true
  if (isTimed) return undefined
  return {
    ...range,
    scatter: { ...scatter, pins: partPins(reading, block, scatter) },
    width: (plan) => workerWidth(input, plan, outputs),
    names: outputs.map(({ name }) => name),
  }
}

/** Conditions around the part may say which shards matter. */
function partPins({ pinOf }: PartReading, { relations }: Block, scatter: ScatterSelect) {
  const { table, pins } = scatter
  const [seed, ...others] = relations.filter((relation) => relation.table?.oid === table.oid)
  const isPinned = pins.some(({ values }) => values !== undefined)
  const pin = seed === undefined || others.length > 0 ? undefined : pinOf(seed)
  return isPinned || pin === undefined ? pins : [pin]
}

function workerWidth(
  { parser }: PlanInput,
  { worker }: ScatterSelect,
  outputs: readonly Output[],
): number {
  const text = Buffer.from(worker.pieces.map((piece) => piece.toString()).join('pgloom'))
  const statement = parser.parse(text).stmts[0]?.stmt as Tree | undefined
  const targets = statement?.SelectStmt?.targetList ?? []
  if (!targets.some(({ ResTarget }) => isStar(ResTarget?.val))) return targets.length
  const isExtra = ({ ResTarget }: Tree) => ResTarget?.name?.startsWith(EXTRA_COLUMN) === true
  return outputs.length + targets.filter(isExtra).length
}

/** An arm of a set operation takes the type of a bare literal from the others, until it is a column. */
function hasUntyped({ select, outputs = [] }: Block, isShipped: boolean): boolean {
  const untyped = outputs.filter(({ expression }) => {
    const constant = expression?.A_Const
    return constant?.sval !== undefined || constant?.isnull === true
  })
  const keys = groupKeys(select ?? {}, outputs) ?? []
  const isKey = ({ name, expression }: Output) =>
    keys.some((key) => key === expression || key.ColumnRef?.fields?.[0]?.String?.sval === name)
  return untyped.some((output) => isShipped || isKey(output))
}

function hasParameters(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind) => {
    if (kind === 'ParamRef') found = true
    return !found
  })
  return found
}

function readsShards(block: Block): boolean {
  return allRelations(block).some(({ table }) => table?.kind === 'distributed')
}

export function commonTables(statement: Tree): readonly object[] {
  const found: object[] = []
  walkTree(statement, (kind, node) => {
    if (kind === 'CommonTableExpr') found.push(node)
    return undefined
  })
  return found
}

/** It names, or seems to, a CTE that is not within itself. */
export function namesOthers(statement: Tree, ctes: readonly object[]): boolean {
  const own = new Set(commonTables(statement))
  const outer = new Set(
    ctes.flatMap((cte) => (own.has(cte) ? [] : [(cte as { ctename?: string }).ctename])),
  )
  let names = false
  walkTree(statement, (kind, node) => {
    if (kind === 'RangeVar' && outer.has(String(node['relname']))) names = true
    return !names
  })
  return names
}

/** It reads no CTE and no column from outside, locks nothing and returns no records. */
function isOwnOnly(block: Block, ctes: readonly object[]): boolean {
  const statement: Tree = { SelectStmt: block.select ?? {} }
  let isOwn = !namesOthers(statement, ctes)
  walkTree(statement, (kind, node) => {
    if (kind === 'LockingClause') isOwn = false
    if (kind === 'FuncCall' && GIVES_RECORDS.test(builtinName(node) ?? '')) isOwn = false
    return isOwn
  })
  const inside = new Set(allBlocks(block))
  return isOwn && [...inside].every((inner) => hasOwnColumns(inner, inside))
}

function hasOwnColumns(block: Block, inside: ReadonlySet<Block>): boolean {
  const { select, outputs } = block
  let isOwn = true
  const values = [...ownExpressions(block), select?.distinctClause, select?.valuesLists]
  const items = new Set(namedItems(select))
  visitLevel(values, ({ ColumnRef: reference }) => {
    if (reference === undefined || !isOwn) return isOwn
    const resolved = resolveColumn(block, reference)
    const [first, ...others] = reference.fields ?? []
    const mayBeOutput = others.length === 0 && items.has(reference)
    const isOutput = mayBeOutput && outputs?.some(({ name }) => name === first?.String?.sval)
    isOwn = resolved === undefined ? isOutput === true : inside.has(resolved.block)
    return isOwn
  })
  return isOwn
}

/** Where a name by itself may be that of an output: not within an expression. */
function namedItems(select: Block['select']): readonly (object | undefined)[] {
  const { sortClause = [], groupClause = [], distinctClause = [] } = select ?? {}
  const sorted = sortClause.map(({ SortBy }) => SortBy?.node)
  return [...sorted, ...groupClause, ...distinctClause].map((item) => item?.ColumnRef)
}
