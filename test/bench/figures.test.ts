import t from 'tap'
import { type CaseResult, medianOf, medianRatio, type Turn } from '../../bench/figures.ts'
import { judgeGoals } from '../../bench/goals.ts'
import { renderTable } from '../../bench/report.ts'

function turn(system: string, round: number, throughput: number): Turn {
  return { system, round, figures: { throughput, totalCpuUs: 1000 / throughput } }
}

function selectOnly(turns: readonly Turn[]): CaseResult {
  const rest = { scenario: 'select-only', protocol: 'simple', clients: 64 }
  return { ...rest, unit: 'tps', seconds: 3, turns }
}

const RESULT = selectOnly([
  turn('pgbouncer', 1, 100),
  turn('pgloom', 1, 300),
  turn('pgloom', 2, 100),
  turn('pgbouncer', 2, 50),
  turn('pgbouncer', 3, 1000),
  turn('pgloom', 3, 1100),
])

t.test('ratios are taken within a round, before the median', async (t) => {
  t.equal(medianOf(RESULT, 'pgloom', 'throughput'), 300)
  t.equal(medianOf(RESULT, 'pgbouncer', 'throughput'), 100)
  t.equal(medianRatio(RESULT, 'pgloom', 'pgbouncer', 'throughput'), 2)
})

t.test('a round in which either failed has no ratio', async (t) => {
  const failed: Turn = { system: 'pgbouncer', round: 1, failure: 'refused' }
  const turns = [failed, ...RESULT.turns.slice(1, 4)]
  t.equal(medianRatio(selectOnly(turns), 'pgloom', 'pgbouncer', 'throughput'), 2)
  t.equal(medianRatio(selectOnly([failed]), 'pgloom', 'pgbouncer', 'throughput'), undefined)
})

t.test('the table has a line for each system, and says what failed', async (t) => {
  const failed: Turn = { system: 'pgloom', round: 1, failure: 'refused' }
  const table = renderTable(selectOnly([turn('pgbouncer', 1, 100), failed]))
  t.equal(
    table,
    [
      '| system    | throughput | ratio | total us | total ratio |',
      '|-----------|-----------:|------:|---------:|------------:|',
      '| pgbouncer |    100 tps |  1.00 |     10.0 |        1.00 |',
      '| pgloom    |     failed |       |          |             |',
      '',
      'pgloom failed: refused',
    ].join('\n'),
  )
})

t.test('goals are judged where their case was run', async (t) => {
  t.match(judgeGoals([RESULT]), [
    { name: 'select-only, simple, 64: throughput ratio', bound: '>= 2.00', value: 2, isMet: true },
    { name: 'select-only, simple, 64: total CPU ratio', value: 0.5, isMet: true },
  ])
  t.same(judgeGoals([{ ...RESULT, clients: 63 }]), [])
})
