import t from 'tap'
import { TrafficCounters, TrafficTable } from '../../lib/backend/traffic-counters.ts'
import { averages } from '../../lib/console/stats-tables.ts'
import { TrafficWindows } from '../../lib/console/traffic-windows.ts'

t.test('averages are per second, those of times per event', async (t) => {
  const before = Object.assign(new TrafficCounters(), { statements: 10, statementMicros: 1000 })
  const total = Object.assign(new TrafficCounters(), {
    statements: 30,
    statementMicros: 5000,
    bytesSent: 400,
  })
  t.match(averages(total, before, 4_000_000), {
    statements: 5,
    statementMicros: 200,
    bytesSent: 100,
    transactions: 0,
    transactionMicros: 0,
  })
  t.match(averages(total, before, 0), { statements: 0 }, 'no time, no average')
})

t.test('a window is the last whole period and what has passed of this one', async (t) => {
  const traffic = new TrafficTable()
  const windows = new TrafficWindows(traffic, { periodMs: () => 60_000, log: () => undefined })
  t.teardown(() => windows.stop())
  const counters = traffic.of('app', 'anna')
  const gain = () => {
    const [report] = windows.report()
    return (report?.total.statements ?? 0) - (report?.before.statements ?? 0)
  }
  counters.statements = 5
  t.equal(gain(), 5)
  windows.turn()
  counters.statements = 7
  t.equal(gain(), 7, 'of the first period and this one')
  windows.turn()
  counters.statements = 8
  t.equal(gain(), 3, 'of the second period and this one')
  windows.turn()
  windows.turn()
  t.equal(gain(), 0)
})
