import t from 'tap'
import { COUNTER_NAMES, sumCounters, TrafficTable } from '../../lib/backend/traffic-counters.ts'
import { StatementClock } from '../../lib/session/statement-clock.ts'
import { TransactionStatus } from '../../lib/wire/message-codes.ts'

t.test('the table has one object for each user of a database, for good', async (t) => {
  const table = new TrafficTable()
  const counters = table.of('app', 'anna')
  counters.statements += 3
  t.equal(table.of('app', 'anna'), counters)
  t.not(table.of('app', 'bert'), counters)
  t.not(table.of('other', 'anna'), counters)
  t.match(table.rows()[0], { database: 'app', user: 'anna', counters: { statements: 3 } })
})

t.test("sums are over every field of PgBouncer's", async (t) => {
  const table = new TrafficTable()
  for (const user of ['anna', 'bert']) {
    const counters = table.of('app', user)
    for (const [index, name] of COUNTER_NAMES.entries()) counters[name] = index + 1
  }
  const sum = sumCounters(table.rows().map(({ counters }) => counters))
  t.same(
    COUNTER_NAMES.map((name) => sum[name]),
    COUNTER_NAMES.map((_, index) => 2 * (index + 1)),
  )
})

t.test('the clock counts statements of one shard and of several', async (t) => {
  const counters = new TrafficTable().of('app', 'anna')
  const clock = new StatementClock(counters, undefined)
  clock.done('router', 2)
  for (const tier of ['reference', 'scatter', 'combine', 'pull', 'local', 'command'] as const) {
    clock.done(tier)
  }
  t.match(counters, { statements: 8, singleShardStatements: 3, multiShardStatements: 3 })
})

t.test('the clock counts statements, and transactions by their end', async (t) => {
  const counters = new TrafficTable().of('app', 'anna')
  const clock = new StatementClock(counters, undefined)
  clock.start()
  clock.done('local')
  clock.ready(TransactionStatus.inTransaction)
  t.match(counters, { statements: 1, transactions: 0, transactionMicros: 0 })
  clock.start()
  clock.failed('22012')
  clock.ready(TransactionStatus.failed)
  clock.start()
  clock.done('command')
  clock.ready(TransactionStatus.idle)
  t.match(counters, { statements: 3, transactions: 1 })
  t.ok(counters.transactionMicros >= counters.statementMicros)
  t.ok(counters.statementMicros > 0)
})

t.test('a Sync alone is no transaction; a script counts each of its statements', async (t) => {
  const counters = new TrafficTable().of('app', 'anna')
  const clock = new StatementClock(counters, undefined)
  clock.start()
  clock.ready(TransactionStatus.idle)
  t.match(counters, { statements: 0, transactions: 0 })
  clock.start()
  clock.done('local', 3)
  clock.ready(TransactionStatus.idle)
  t.match(counters, { statements: 3, transactions: 1 })
})

t.test('names without end share one row', async (t) => {
  const table = new TrafficTable()
  for (let number = 0; number < 10_100; number++) table.of(`d${number}`, 'u').statements++
  const rows = table.rows()
  t.equal(rows.length, 10_001)
  t.match(rows.at(-1), { database: '*', user: '*', counters: { statements: 100 } })
  t.equal(table.of('d7', 'u').statements, 1)
})
