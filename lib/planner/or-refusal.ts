import type { RefusalPlan } from './plan.ts'
import { Refusal } from './refusals.ts'

/** For what is planned later, when the planner's entry no longer stands around it. */
export function orRefusal<T>(plan: () => T): T | RefusalPlan {
  try {
    return plan()
  } catch (error) {
    if (error instanceof Refusal) return error.plan()
    throw error
  }
}
