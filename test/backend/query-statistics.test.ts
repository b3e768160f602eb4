import t from 'tap'
import { QueryStatistics } from '../../lib/backend/query-statistics.ts'

const PERIOD = { limit: 2, periodMs: 1000 }
const tenant = (attribute: string) => ({ nodeId: 1, colocationId: 3, attribute })

t.test('tenants are counted by periods', async (t) => {
  const statistics = new QueryStatistics()
  const counts = (atMs: number) =>
    statistics
      .tenants(atMs)
      .map(({ attribute, readsNow, readsBefore, queriesNow, queriesBefore }) =>
        [attribute, readsNow, readsBefore, queriesNow, queriesBefore].join(' '),
      )
  statistics.tenantServed(tenant('a'), true, PERIOD, 5000)
  statistics.tenantServed(tenant('a'), false, PERIOD, 5999)
  t.same(counts(5999), ['a 1 0 2 0'])
  t.same(counts(6000), ['a 0 1 0 2'])
  statistics.tenantServed(tenant('b'), true, PERIOD, 6001)
  t.same(counts(6999), ['a 0 1 0 2', 'b 1 0 1 0'])
  t.same(counts(8000), ['a 0 0 0 0', 'b 0 0 0 0'])
  statistics.tenantServed(tenant('b'), true, { limit: 2, periodMs: 500 }, 8000)
  t.same(counts(8001), ['b 1 0 1 0'], 'periods of another length begin anew')
})

t.test('the quietest tenants make room', async (t) => {
  const statistics = new QueryStatistics()
  for (let index = 0; index < 1000; index++) {
    statistics.tenantServed(tenant('busy'), true, PERIOD, 1)
    statistics.tenantServed(tenant(`t${index}`), true, PERIOD, 1)
    if (statistics.tenants(1).length > 6) t.fail('too many are kept')
  }
  t.match(statistics.tenants(1)[0], { attribute: 'busy', queriesNow: 1000 })
})

t.test('statements are bounded', async (t) => {
  const statistics = new QueryStatistics()
  const statement = { user: 'u', executor: 'adaptive', partitionKey: null } as const
  for (let index = 0; index < 6000; index++) {
    statistics.statementRun({ ...statement, query: `q${index}` }, 1)
    statistics.statementRun({ ...statement, query: 'often' }, 2)
  }
  t.equal(statistics.statements().length, 5000)
  t.match(
    statistics.statements().find(({ query }) => query === 'often'),
    { calls: 12_000 },
  )
})
