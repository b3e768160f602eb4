import { RouterError } from '../../base/errors.ts'
import { hasAggregate, integer } from '../expressions.ts'
import type { Plan } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import type { Block, Child } from '../query-model.ts'
import { Refusal } from '../refusals.ts'
import { type StatementTables, tableReferences } from '../table-references.ts'
import { isRecord, type SelectStmt, type Tree } from '../tree.ts'
import { hasCollations, locks, replaced } from './draft-text.ts'
import { type PartContext, partContext, partOf } from './pull-parts.ts'
import { partPinOf, readOrNothing } from './pull-planner.ts'
import type { RestOfStatement, ValuePart, ValuesFirst } from './value-plans.ts'

export type PlanRest = (input: PlanInput, tables: StatementTables) => Plan

const GIVES: Readonly<Record<string, ValuePart['gives']>> = {
  EXPR_SUBLINK: 'one',
  EXISTS_SUBLINK: 'exists',
  ANY_SUBLINK: 'set',
  ALL_SUBLINK: 'set',
}

/**
 * Subqueries that give values and can be run by themselves over all shards. With their values in their places the statement is
 * planned again: what could not be pushed down because of them now may.
 */
export function valuesFirst(
  input: PlanInput,
  tables: StatementTables,
  planRest: PlanRest,
): ValuesFirst | undefined {
  const { references } = tables
  const isOnlyRead = references.every(({ role, table }) => role === 'source' && table !== undefined)
  if (!isOnlyRead || input.part === 'somewhere' || locks(input.statement)) return undefined
  const reading = readOrNothing(input, tables)
  if (reading === undefined) return undefined
  const context = partContext(input, { root: reading.root, pinOf: partPinOf(reading) })
  const parts = valueParts(context, reading.root)
  if (parts.length === 0) return undefined
  const takesTexts = !hasCollations(input, tables)
  return { parts, takesTexts, rest: (texts) => restOf(input, parts, texts, planRest) }
}

function valueParts(context: PartContext, root: Block): readonly ValuePart[] {
  const parts: ValuePart[] = []
  const visit = (block: Block): void => {
    if (block.isRecursive) return
    for (const arm of block.arms) visit(arm)
    for (const child of block.children) {
      const part = valuePart(context, block, child)
      if (part === undefined) visit(child.block)
      else if (!parts.some(({ start }) => start === part.start)) parts.push(part)
    }
  }
  visit(root)
  return parts
}

function valuePart(
  context: PartContext,
  around: Block,
  { block, link, place }: Child,
): ValuePart | undefined {
  const { select, outputs = [] } = block
  const gives = GIVES[link?.subLinkType ?? '']
  if (place !== 'sublink' || gives === undefined || select === undefined) return undefined
  if (gives !== 'exists' && outputs.length !== 1) return undefined
  // elsewhere they are joins
  if (gives === 'set' && !holds(around.select?.havingClause, link)) return undefined
  const isAggregated = hasAggregate(select.targetList)
  // the value may never be asked for: then an error in its making would be one too many
  if (!isAggregated && !outputs.every(({ expression }) => isPlain(expression))) return undefined
  const part = partOf(context, block, {
    isArm: false,
    select: asked(select, gives, isAggregated),
    mayBeMany: true,
  })
  if (part === undefined) return undefined
  const { start, end, scatter } = part
  return { start, end, gives, scatter, name: outputs[0]?.name ?? '' }
}

function isPlain(expression: Tree | undefined): boolean {
  return expression?.ColumnRef !== undefined || expression?.A_Const !== undefined
}

/** One row is enough to exist; where there must be no more than one, two are enough to say so. */
function asked(select: SelectStmt, gives: ValuePart['gives'], isAggregated: boolean): SelectStmt {
  const isCut = select.limitCount !== undefined || select.limitOffset !== undefined
  const isOne = isAggregated && select.groupClause === undefined
  if (gives === 'set' || isCut || isOne) return select
  const limitCount = integer(gives === 'exists' ? 1 : 2)
  return { ...select, limitCount, limitOption: 'LIMIT_OPTION_COUNT' }
}

function holds(value: unknown, wanted: unknown): boolean {
  if (value === wanted) return value !== undefined
  if (Array.isArray(value)) return value.some((item) => holds(item, wanted))
  return isRecord(value) && Object.values(value).some((item) => holds(item, wanted))
}

function restOf(
  input: PlanInput,
  parts: readonly ValuePart[],
  texts: readonly string[],
  planRest: PlanRest,
): RestOfStatement | undefined {
  const results = parts.map(({ start, end }, index) => ({ start, end, text: ` ${texts[index]} ` }))
  const text = replaced(input, results)
  try {
    const statement = input.parser.parse(text).stmts[0]?.stmt as Tree
    const { part: _part, ...whole } = input
    const own = { ...whole, text, statement, literals: undefined }
    const plan = planRest(own, tableReferences(own, statement))
    const over = plan.kind === 'select' ? plan.multi() : plan
    return over.kind === 'scatter' || over.kind === 'pulled' ? { text, plan: over } : undefined
  } catch (error) {
    if (error instanceof Refusal || error instanceof RouterError) return undefined
    throw error
  }
}
