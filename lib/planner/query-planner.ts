import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { type Analysis, analyse } from './analysis.ts'
import { planLocal } from './local-planner.ts'
import { planMerge } from './merge-planner.ts'
import { orRefusal } from './or-refusal.ts'
import type { Plan, RoutedStatement, SelectPlan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { orAll, planAll } from './planned-all.ts'
import { withBroadcasts } from './pull/broadcast-planner.ts'
import { orPulled, planPulled } from './pull/pull-planner.ts'
import { Refusal, refuse } from './refusals.ts'
import { pinsOf, routedStatement } from './router.ts'
import { locksReferences } from './row-locks.ts'
import { type Otherwise, planLocks, planMultiSelect } from './scatter-planner.ts'
import { currentOf } from './statement-checks.ts'
import type { StatementTables } from './table-references.ts'
import { callsCode, callsShadowed, callsUnproven } from './user-code.ts'
import { planChosenModify } from './write/chosen-modify.ts'
import { planInsert } from './write/insert-planner.ts'
import { orMirrored, planMirrored } from './write/mirror-planner.ts'
import { planScatterModify } from './write/modify-planner.ts'
import { planReferenceWrite } from './write/reference-writes.ts'
import type { ChosenModify, ScatterModify } from './write/write-plans.ts'

/** SELECT, INSERT, UPDATE, DELETE and MERGE that name at least one cluster table. */
export function planQuery(input: PlanInput, kind: string, tables: StatementTables): Plan {
  const { catalog } = input
  const own = statementTarget(input)
  const targets = tables.references.filter(({ role }) => role === 'target')
  const ownTable = targets.find(({ node }) => node === own)?.table
  if (targets.some(({ node, table }) => table?.kind === 'reference' && node !== own)) {
    return planMirrored(input, kind, tables)
  }
  if (ownTable?.kind === 'reference') return planReferenceWrite(input, kind, tables)
  if (tables.distributed.length === 0) return planLocal(input, kind, tables)
  const isCreated = tables.references.some(({ role }) => role === 'created')
  if (isCreated || (own !== undefined && ownTable === undefined)) {
    const changesOthers = targets.some(({ table }) => table !== undefined)
    return changesOthers ? planMirrored(input, kind, tables) : planPulled(input, kind, tables)
  }
  if (kind === 'SelectStmt') return planSelect(input, tables)
  const { InsertStmt } = input.statement
  const callsOwn =
    isElsewhere(input, tables) && callsShadowed(input.statement, catalog.userCode, input)
  if (callsOwn) return planMirrored(input, kind, tables)
  const isUnproven = isElsewhere(input, tables) && callsUnproven(input)
  if (InsertStmt !== undefined) return planInsert(input, InsertStmt, isUnproven)
  if (isUnproven) return planMirrored(input, kind, tables)
  if (tables.hasLocal) return planMirrored(input, kind, tables)
  return orMirrored(input, kind, tables, () => planPinned(input, kind, tables))
}

/** Routed, scattered, or, where neither is proven right, over rows pulled to the coordinator. */
function planSelect(input: PlanInput, tables: StatementTables): Plan {
  if (tables.hasLocal || runsCodeElsewhere(input, tables)) {
    return planAll(input, 'SelectStmt', tables)
  }
  const planned = orAll(input, tables, (): Plan => {
    const analysis = analyse(input, input.statement)
    const pins = pinsOf(analysis.root, analysis.flow.constants())
    const routed = routedStatement(input, analysis.tables, pins)
    const isAlsoHere = isElsewhere(input, tables) && locksReferences(analysis.root)
    if (isAlsoHere) return inTwoPlaces(input, tables, analysis, routed)
    const otherwise: Otherwise = (plan) => orPulled(input, tables, plan)
    const multi = () =>
      withBroadcasts(
        input,
        tables,
        orRefusal(() => orAll(input, tables, () => planMultiSelect(analysis, otherwise))),
        planSelect,
      )
    return { kind: 'select', routed, multi }
  })
  return withBroadcasts(input, tables, planned, planSelect)
}

/** Rows of reference tables are locked on the coordinator, those of the others in their shards: never on one shard alone. */
function inTwoPlaces(
  input: PlanInput,
  tables: StatementTables,
  analysis: Analysis,
  routed: RoutedStatement,
): SelectPlan {
  const [table] = tables.distributed
  if (table === undefined || table.shards.length === 1) return refuse('reference-locks')
  const otherwise: Otherwise = (plan) => orPulled(input, tables, plan)
  const multi = () => orRefusal(() => planLocks(analysis, otherwise))
  const nowhere = { ...routed, isShapeStable: false, pins: [{ table, values: undefined }] }
  return { kind: 'select', routed: nowhere, multi }
}

/** Functions of the user's of which it isn't proven that they are the same, and do the same, on other nodes. */
function runsCodeElsewhere(input: PlanInput, tables: StatementTables): boolean {
  return isElsewhere(input, tables) && callsCode('SelectStmt', input)
}

/** Not all shards are the coordinator's. */
function isElsewhere({ catalog }: PlanInput, { distributed }: StatementTables): boolean {
  const { nodeId: coordinatorId } = coordinatorOf(catalog)
  return distributed.some(({ shards }) => shards.some(({ nodeId }) => nodeId !== coordinatorId))
}

function statementTarget({ statement }: PlanInput): object | undefined {
  const { InsertStmt, UpdateStmt, DeleteStmt, MergeStmt } = statement
  return (InsertStmt ?? UpdateStmt ?? DeleteStmt ?? MergeStmt)?.relation
}

/** UPDATE, DELETE, MERGE. */
function planPinned(input: PlanInput, kind: string, tables: StatementTables): Plan {
  const cursor = currentOf(input.statement)?.cursor_name
  const analysis = analyse(input, input.statement)
  const pins = pinsOf(analysis.root, analysis.flow.constants())
  const routed = routedStatement(input, analysis.tables, pins)
  const merge = input.statement.MergeStmt
  if (merge !== undefined) return planMerge(analysis, kind, merge, pins)
  if (cursor !== undefined && pins.length !== 1) return refuse('current-of')
  const onAll = (): ScatterModify | ChosenModify => {
    return cursor === undefined ? planShards(analysis) : refuse('current-of')
  }
  const multi = () => orRefusal(() => orMirrored(input, kind, tables, onAll))
  return { kind: 'modify', routed, currentOf: cursor, multi }
}

/** If both are refused, why it can't run in each shard by itself is what the user can help. */
function planShards(analysis: Analysis): ScatterModify | ChosenModify {
  try {
    return planScatterModify(analysis)
  } catch (error) {
    const chosen = orRefusal(() => planChosenModify(analysis))
    if (!(error instanceof Refusal) || chosen.kind === 'refusal') throw error
    return chosen
  }
}
