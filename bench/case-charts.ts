import { type BarGroup, barChart } from './bar-chart.ts'
import { type CaseResult, type Metric, medianOf } from './figures.ts'
import { type LatencyGroup, latencyChart } from './latency-chart.ts'

export type Chart = { readonly file: string; readonly title: string; readonly svg: string }

const CPU_PARTS: readonly Metric[] = ['proxyCpuUs', 'postgresCpuUs', 'clientCpuUs']

/** Of one scenario: throughput, CPU and latency, as far as they were measured. */
export function chartsOf(name: string, title: string, cases: readonly CaseResult[]): Chart[] {
  const [first] = cases
  if (first === undefined || first.unit === 'clients') return []
  const chart = (kind: string, svg: string): Chart => ({ file: `${name}-${kind}.svg`, title, svg })
  const throughput = barGroups(cases, ['throughput'])
  const cpu = barGroups(cases, CPU_PARTS)
  const latencies = latencyGroups(cases)
  const charts = [chart('throughput', barChart({ title, unit: first.unit, groups: throughput }))]
  if (cpu.length > 0) {
    const unit = first.unit === 'tps' ? 'us of CPU a transaction' : 'us of CPU a MB'
    const partNames = ['proxy', 'Postgres', 'client']
    charts.push(chart('cpu', barChart({ title, unit, groups: cpu, partNames })))
  }
  if (latencies.length > 0) charts.push(chart('latency', latencyChart(title, latencies)))
  return charts
}

function barGroups(cases: readonly CaseResult[], metrics: readonly Metric[]): BarGroup[] {
  const groups = cases.map((result) => {
    const bars = systemsOf(result).flatMap((system) => {
      const parts = metrics.map((metric) => medianOf(result, system, metric))
      const known = parts.filter((part) => part !== undefined)
      return known.length === metrics.length ? [{ system, parts: known }] : []
    })
    return { name: groupName(result), bars }
  })
  return groups.filter(({ bars }) => bars.length > 0)
}

function latencyGroups(cases: readonly CaseResult[]): LatencyGroup[] {
  const groups = cases.map((result) => {
    const spans = systemsOf(result).flatMap((system) => {
      const p50Ms = medianOf(result, system, 'p50Ms')
      const p99Ms = medianOf(result, system, 'p99Ms')
      return p50Ms === undefined || p99Ms === undefined ? [] : [{ system, p50Ms, p99Ms }]
    })
    return { name: groupName(result), spans }
  })
  return groups.filter(({ spans }) => spans.length > 0)
}

function groupName({ protocol, clients }: CaseResult): string {
  return `${protocol} ${clients}`
}

function systemsOf({ turns }: CaseResult): string[] {
  return [...new Set(turns.map(({ system }) => system))]
}
