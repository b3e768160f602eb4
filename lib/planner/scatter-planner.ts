import type { Analysis } from './analysis.ts'
import type { ScatterSelect } from './plan.ts'
import { refuse } from './refusals.ts'

export function planScatterSelect(_analysis: Analysis): ScatterSelect {
  return refuse('not-joined-on-key')
}
