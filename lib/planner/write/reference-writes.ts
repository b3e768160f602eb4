import type { ReferenceTable } from '../../catalog/catalog.ts'
import { classifyFunction } from '../builtin-functions.ts'
import { replaceTime } from '../expressions.ts'
import { type FunctionWorld, provenClass } from '../functions/proven-functions.ts'
import type { PlanInput } from '../plan-input.ts'
import { Refusal, refuse } from '../refusals.ts'
import type { StatementTables } from '../table-references.ts'
import { builtinName, type InsertStmt, type Tree, walkTree } from '../tree.ts'
import { orMirrored, planMirrored } from './mirror-planner.ts'
import { planThroughScratch } from './scratch-planner.ts'
import type { InsertThroughScratchPlan, MirroredPlan, ReferenceWritePlan } from './write-plans.ts'

/**
 * INSERT, UPDATE or DELETE of a reference table: run on every node, so it must do the same on each. An INSERT that
 * would not is evaluated once instead.
 */
export function planReferenceWrite(
  input: PlanInput,
  kind: string,
  tables: StatementTables,
): ReferenceWritePlan | InsertThroughScratchPlan | MirroredPlan {
  const { InsertStmt, UpdateStmt, DeleteStmt } = input.statement
  const target = (InsertStmt ?? UpdateStmt ?? DeleteStmt)?.relation
  const table = tables.references.find(({ node }) => node === target)?.table
  if (table?.kind !== 'reference') return planMirrored(input, kind, tables)
  const plan: ReferenceWritePlan = { kind: 'reference-write', table }
  const problem = problemOf(() => {
    if (tables.distributed.length > 0 || tables.hasLocal) refuse('reference-write-source')
    checkDeterministic(input.statement, input)
    if (InsertStmt !== undefined) checkDefaults(InsertStmt, table)
    checkSetDefault(UpdateStmt?.targetList)
  })
  if (problem === undefined) return plan
  const isOnly = tables.references.filter(({ role }) => role === 'target').length === 1
  if (InsertStmt === undefined || !isOnly) return planMirrored(input, kind, tables)
  const evaluated = () => planThroughScratch(input, InsertStmt, table, tables)
  return orMirrored(input, kind, tables, () => {
    const { onConflictClause } = InsertStmt
    // all nodes are told the same time
    if (onConflictClause !== undefined) checkDeterministic(replaceTime({ onConflictClause }), input)
    checkSetDefault(onConflictClause?.targetList)
    return evaluated()
  })
}

/** Why the statement must not run on each node by itself. */
function problemOf(check: () => void): Refusal | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

function checkDeterministic(statement: Tree, world: FunctionWorld): void {
  walkTree(statement, (kind, node) => {
    if (kind === 'SQLValueFunction' && !/USER|ROLE/.test(String(node['op'] ?? ''))) {
      refuse('reference-write-volatile')
    }
    // which rows a LIMIT without a total order keeps may differ by node
    if (kind === 'SelectStmt' && (node['limitCount'] ?? node['limitOffset']) !== undefined) {
      refuse('reference-write-volatile', 'LIMIT')
    }
    if (kind === 'FuncCall') checkCall(node, world)
    return undefined
  })
}

const SAFE_STABLE: ReadonlySet<string> = new Set([
  'to_char',
  'to_date',
  'to_timestamp',
  'to_number',
  'concat',
  'concat_ws',
  'format',
  'date_trunc',
  'date_part',
  'extract',
  'to_json',
  'to_jsonb',
  'row_to_json',
  'json_build_object',
  'jsonb_build_object',
  'json_build_array',
  'jsonb_build_array',
  'array_to_string',
  'string_to_array',
  'generate_series',
  'timezone',
])

/** In order of rows: what these give may differ between nodes whose rows lie in another order. */
const ORDER_DEPENDENT: ReadonlySet<string> = new Set([
  'array_agg',
  'string_agg',
  'json_agg',
  'jsonb_agg',
  'json_object_agg',
  'jsonb_object_agg',
  'xmlagg',
  'any_value',
])

function checkCall(node: Readonly<Record<string, unknown>>, world: FunctionWorld): void {
  const name = builtinName(node) ?? ''
  const known = classifyFunction(name)
  const isProven = known === 'unknown' && provenClass(world, node) === 'immutable'
  const isSafe = known === 'immutable' || isProven || SAFE_STABLE.has(name)
  const isSafeAggregate = known === 'aggregate' && !ORDER_DEPENDENT.has(name)
  if (!isSafe && !isSafeAggregate) refuse('reference-write-volatile', name)
}

/** A DEFAULT may be nextval() or now(): it would be another on each node. */
function checkDefaults(insert: InsertStmt, table: ReferenceTable): void {
  const listed = (insert.cols ?? []).map(({ ResTarget }) => ResTarget?.name ?? '')
  const rows = insert.selectStmt?.SelectStmt?.valuesLists
  const names = insert.cols === undefined ? table.columns.map(({ name }) => name) : listed
  const width = rows?.[0]?.List?.items?.length ?? names.length
  const given = new Set(insert.selectStmt === undefined ? [] : names.slice(0, width))
  const isLeftOut = table.columns.some(
    ({ name, hasDefault, isGenerated }) => hasDefault && !isGenerated && !given.has(name),
  )
  if (isLeftOut) refuse('reference-write-default')
  const withDefault = new Set(
    table.columns.filter(({ hasDefault }) => hasDefault).map(({ name }) => name),
  )
  for (const row of rows ?? []) {
    row.List?.items?.forEach((item, index) => {
      if (item.SetToDefault !== undefined && withDefault.has(names[index] ?? '')) {
        refuse('reference-write-default')
      }
    })
  }
  checkSetDefault(insert.onConflictClause?.targetList)
}

function checkSetDefault(targets: readonly Tree[] | undefined): void {
  for (const { ResTarget } of targets ?? []) {
    if (ResTarget?.val?.SetToDefault !== undefined) refuse('reference-write-default')
  }
}
