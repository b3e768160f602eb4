import type { PulledPlan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { isAboutLocks, planPulled } from './pull/pull-planner.ts'
import { Refusal } from './refusals.ts'
import type { StatementTables } from './table-references.ts'
import { planMirrored } from './write/mirror-planner.ts'
import type { MirroredPlan } from './write/write-plans.ts'

/** On the coordinator, over copies of all that it concerns. */
export function planAll(
  input: PlanInput,
  kind: string,
  tables: StatementTables,
): PulledPlan | MirroredPlan {
  const changesRows = tables.references.some(({ role }) => role === 'target')
  return changesRows ? planMirrored(input, kind, tables) : planPulled(input, kind, tables)
}

/** If both are refused, why the statement can't be run over copies is what the user can't help otherwise. */
export function orAll<T>(
  input: PlanInput,
  tables: StatementTables,
  plan: () => T,
): T | PulledPlan | MirroredPlan {
  try {
    return plan()
  } catch (error) {
    if (!(error instanceof Refusal) || isAboutLocks(error)) throw error
    return planAll(input, 'SelectStmt', tables)
  }
}
