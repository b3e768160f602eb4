import { planLocal } from './local-planner.ts'
import type { Plan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { refuse } from './refusals.ts'
import type { StatementTables } from './table-references.ts'

/** SELECT, INSERT, UPDATE, DELETE and MERGE that name at least one cluster table. */
export function planQuery(input: PlanInput, kind: string, tables: StatementTables): Plan {
  if (tables.distributed.length === 0) return planLocal(input, kind, tables)
  return refuse('not-joined-on-key')
}
