import t from 'tap'
import { parseLatencies, parseSummary } from '../../bench/pgbench.ts'
import { parseBusyTicks, parseStat } from '../../bench/process-cpu.ts'

const SUMMARY = `pgbench (15.18 (Debian 15.18-0+deb12u1), server 18.4)
transaction type: <builtin: select only>
scaling factor: 10
query mode: simple
number of clients: 4
number of transactions actually processed: 31245
number of failed transactions: 0 (0.000%)
latency average = 0.128 ms
initial connection time = 5.120 ms
tps = 31210.530221 (without initial connection time)
`

t.test("pgbench's summary gives throughput and count", async (t) => {
  t.same(parseSummary(SUMMARY), { tps: 31210.530221, transactions: 31245 })
  t.throws(() => parseSummary('number of transactions actually processed: 0\ntps = 0'))
  t.throws(() => parseSummary(''))
})

t.test('latencies are the third field; failed and skipped transactions have none', async (t) => {
  const log = '0 199 2241 0 1175850568 995598\n1 200 failed 0 1175850569 608\n2 3 500 0 1 2\n'
  t.same(parseLatencies(log), [2.241, 0.5])
  t.same(parseLatencies(''), [])
})

t.test('a process may be named with spaces and parentheses', async (t) => {
  const rest = 'S 1 1 1 0 -1 4194304 100 0 0 0 7 5 30 2 20 0 1 0 100 1000 200'
  t.same(parseStat(`42 (a) odd (name) ${rest}`), { own: 12, reaped: 32 })
})

t.test('the machine is busy when it neither idles nor waits for disks', async (t) => {
  t.equal(parseBusyTicks('cpu  100 5 20 1000 50 1 2 3 0 0'), 131)
})
