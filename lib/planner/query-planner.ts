import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { type Analysis, analyse } from './analysis.ts'
import { checkMergeActions, mergeInsertKeys } from './insert-keys.ts'
import { planInsert } from './insert-planner.ts'
import { planLocal } from './local-planner.ts'
import { planScatterModify } from './modify-planner.ts'
import { orRefusal } from './or-refusal.ts'
import type { Pin, Plan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { orPulled, planPulled } from './pull-planner.ts'
import { planReferenceWrite } from './reference-writes.ts'
import { refuse } from './refusals.ts'
import { pinsOf, routedStatement } from './router.ts'
import { checkReferenceLocks } from './row-locks.ts'
import { type Otherwise, planMultiSelect } from './scatter-planner.ts'
import { currentOf } from './statement-checks.ts'
import type { StatementTables } from './table-references.ts'
import type { MergeStmt } from './tree.ts'
import { callsCode, callsShadowed } from './user-code.ts'

/** SELECT, INSERT, UPDATE, DELETE and MERGE that name at least one cluster table. */
export function planQuery(input: PlanInput, kind: string, tables: StatementTables): Plan {
  const own = statementTarget(input)
  const targets = tables.references.filter(({ role }) => role === 'target')
  const ownTable = targets.find(({ node }) => node === own)?.table
  if (targets.some(({ node, table }) => table?.kind === 'reference' && node !== own)) {
    return refuse('reference-write-in-with')
  }
  if (ownTable?.kind === 'reference') return planReferenceWrite(input, tables)
  if (tables.distributed.length === 0) return planLocal(input, kind, tables)
  const isCreated = tables.references.some(({ role }) => role === 'created')
  if (isCreated || (own !== undefined && ownTable === undefined)) {
    return planPulled(input, kind, tables)
  }
  if (kind !== 'SelectStmt' && isElsewhere(input, tables)) checkNotShadowed(input)
  if (input.statement.InsertStmt !== undefined) return planInsert(input, input.statement.InsertStmt)
  if (kind === 'SelectStmt') return planSelect(input, tables)
  if (tables.hasLocal) return refuse('local-and-distributed')
  return planPinned(input)
}

/** Routed, scattered, or, where neither is proven right, over rows pulled to the coordinator. */
function planSelect(input: PlanInput, tables: StatementTables): Plan {
  if (tables.hasLocal || runsCodeElsewhere(input, tables)) {
    return planPulled(input, 'SelectStmt', tables)
  }
  return orPulled(input, tables, () => {
    const analysis = analyse(input, input.statement)
    const pins = pinsOf(analysis.root, analysis.flow.constants())
    const routed = routedStatement(input, analysis.tables, pins)
    if (isElsewhere(input, tables)) checkReferenceLocks(analysis.root)
    const otherwise: Otherwise = (plan) => orPulled(input, tables, plan)
    const multi = () => orRefusal(() => otherwise(() => planMultiSelect(analysis, otherwise)))
    return { kind: 'select', routed, multi }
  })
}

/** There the workers' Postgres would find its own function. */
function checkNotShadowed({ statement, catalog }: PlanInput): void {
  if (callsShadowed(statement, catalog.userCode)) refuse('shadowed-function')
}

/** Functions of the user's are on the coordinator: other nodes may have none, or others, of that name. */
function runsCodeElsewhere(input: PlanInput, tables: StatementTables): boolean {
  const { statement, catalog } = input
  return isElsewhere(input, tables) && callsCode('SelectStmt', statement, catalog.userCode)
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
function planPinned(input: PlanInput): Plan {
  const analysis = analyse(input, input.statement)
  const pins = pinsOf(analysis.root, analysis.flow.constants())
  const routed = routedStatement(input, analysis.tables, pins)
  const merge = input.statement.MergeStmt
  if (merge !== undefined) return planMerge(analysis, merge, pins)
  const cursor = currentOf(input.statement)?.cursor_name
  if (cursor !== undefined && pins.length !== 1) return refuse('current-of')
  return {
    kind: 'modify',
    routed,
    currentOf: cursor,
    multi: () =>
      orRefusal(() => (cursor === undefined ? planScatterModify(analysis) : refuse('current-of'))),
  }
}

/** MERGE whose source, target and new rows are all in one shard. */
function planMerge(analysis: Analysis, merge: MergeStmt, pins: readonly Pin[]): Plan {
  const { input, root, tables } = analysis
  const table = root.relations[0]?.table
  if (table?.kind !== 'distributed') return refuse('merge')
  checkMergeActions(merge, table)
  const inserted = mergeInsertKeys(analysis, root, merge, table).map(
    (values): Pin => ({
      table,
      values,
      rejectsNull: true,
    }),
  )
  const routed = routedStatement(input, tables, [...pins, ...inserted])
  return {
    kind: 'modify',
    routed,
    currentOf: undefined,
    multi: () => ({ kind: 'refusal', id: 'merge' }),
  }
}
