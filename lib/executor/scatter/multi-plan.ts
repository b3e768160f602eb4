import type { SelectPlan } from '../../planner/plan.ts'

type MultiPlan = ReturnType<SelectPlan['multi']>

/** Of plans that are run again: what multi() made. */
const multiOf = new WeakMap<SelectPlan, MultiPlan>()

export function multiPlan(plan: SelectPlan): MultiPlan {
  let multi = multiOf.get(plan)
  if (multi === undefined) {
    multi = plan.multi()
    multiOf.set(plan, multi)
  }
  return multi
}

/** undefined: it has not been made yet. */
export function knownMultiPlan(plan: SelectPlan): MultiPlan | undefined {
  return multiOf.get(plan)
}
