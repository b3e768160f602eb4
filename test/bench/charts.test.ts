import t from 'tap'
import { barChart, niceCeiling, shortNumber } from '../../bench/bar-chart.ts'
import { chartsOf } from '../../bench/case-charts.ts'
import type { CaseResult } from '../../bench/figures.ts'
import { latencyChart, logAxis } from '../../bench/latency-chart.ts'

t.test('axes end at round numbers', async (t) => {
  t.same([1, 3, 11, 21, 260, 1000].map(niceCeiling), [1, 5, 20, 25, 500, 1000])
  t.same([3, 950, 12_345, 250_000].map(shortNumber), ['3.0', '950', '12.3k', '250k'])
})

t.test('the logarithmic axis has whole decades around all values', async (t) => {
  const axis = logAxis([0.3, 40])
  t.same(axis.decades, [0.1, 1, 10, 100])
  t.ok(axis.x(0.3) < axis.x(40))
  t.equal(axis.x(1) - axis.x(0.1), axis.x(100) - axis.x(10))
  t.same(logAxis([]).decades, [1, 10])
})

t.test('charts are XML with one bar a system, and names are escaped', async (t) => {
  const bars = [{ system: 'a<b', parts: [1, 2] }]
  const svg = barChart({ title: 'x & y', unit: 'tps', groups: [{ name: 'one', bars }] })
  t.match(svg, 'x &amp; y (tps)')
  t.match(svg, 'a&lt;b')
  t.notMatch(svg, /NaN|undefined/)
  const spans = [{ system: 'direct', p50Ms: 0.1, p99Ms: 20 }]
  t.notMatch(latencyChart('latency', [{ name: 'one', spans }]), /NaN|undefined/)
})

t.test('a case gives the charts of what was measured', async (t) => {
  const result = (unit: string, figures: Record<string, number>): CaseResult => {
    const turns = [{ system: 'direct', round: 1, figures }]
    return { scenario: 's', protocol: 'simple', clients: 1, unit, seconds: 1, turns }
  }
  const files = (one: CaseResult) => chartsOf('s', 'S', [one]).map(({ file }) => file)
  t.same(files(result('tps', { throughput: 5, p50Ms: 1, p99Ms: 2 })), [
    's-throughput.svg',
    's-latency.svg',
  ])
  t.same(files(result('clients', { throughput: 5000, rssMiB: 100 })), [])
})
