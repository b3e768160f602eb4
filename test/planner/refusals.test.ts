import t from 'tap'
import type { Plan, RefusalPlan } from '../../lib/planner/plan.ts'
import { REFUSALS, refusalError } from '../../lib/planner/refusals.ts'
import { plan } from './fixture.ts'

function refusalOf(planned: Plan): RefusalPlan | undefined {
  if (planned.kind === 'refusal') return planned
  if (planned.kind !== 'select' && planned.kind !== 'modify') return undefined
  const multi = planned.multi()
  return multi.kind === 'refusal' ? multi : undefined
}

t.test('every refusal has an example that is refused for that reason', async (t) => {
  for (const [id, rule] of Object.entries(REFUSALS)) {
    const refused = refusalOf(plan(rule.example))
    t.equal(refused?.id, id, rule.example)
    if (refused !== undefined) t.equal(refusalError(refused).sqlState, rule.sqlState)
  }
})
