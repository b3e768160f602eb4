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

/** What would leave a table without its guard, or its rows in no reach of those who own them. */
const GUARDED: readonly (readonly [string, string])[] = [
  ['ALTER TABLE events ENABLE ROW LEVEL SECURITY', 'utility'],
  ['ALTER TABLE events ADD COLUMN a int, FORCE ROW LEVEL SECURITY', 'utility'],
  ['ALTER TABLE events DISABLE ROW LEVEL SECURITY', 'utility'],
  ['ALTER TABLE events DISABLE TRIGGER ALL', 'triggers'],
  ['ALTER TABLE events ENABLE REPLICA TRIGGER t', 'triggers'],
  ['ALTER TABLE events ENABLE ALWAYS RULE r', 'triggers'],
]

t.test(
  'row level security, triggers and rules of distributed tables stay as they are',
  async (t) => {
    for (const [sql, id] of GUARDED) t.equal(refusalOf(plan(sql))?.id, id, sql)
  },
)
