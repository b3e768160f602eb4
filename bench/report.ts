import { type CaseResult, type Metric, medianOf, medianRatio } from './figures.ts'

export const REFERENCE = 'pgbouncer'

type Column = { readonly title: string; cell(result: CaseResult, system: string): string }

const COLUMNS: readonly Column[] = [
  { title: 'system', cell: (_result, system) => system },
  throughputColumn(),
  ratioColumn('ratio', 'throughput'),
  cpuColumn('proxy us', 'proxyCpuUs'),
  cpuColumn('postgres us', 'postgresCpuUs'),
  cpuColumn('client us', 'clientCpuUs'),
  cpuColumn('total us', 'totalCpuUs'),
  ratioColumn('total ratio', 'totalCpuUs'),
  numberColumn('p50 ms', 'p50Ms', 2),
  numberColumn('p99 ms', 'p99Ms', 2),
  numberColumn('others %', 'foreignCpuPercent', 0),
]

/** Medians of one case, a system a line, as a Markdown table that is legible as plain text too. */
export function renderTable(result: CaseResult): string {
  const systems = [...new Set(result.turns.map(({ system }) => system))]
  const rows = systems.map((system) => COLUMNS.map(({ cell }) => cell(result, system)))
  const lines = [COLUMNS.map(({ title }) => title), ...rows]
  const widths = COLUMNS.map((_, index) =>
    Math.max(...lines.map((line) => line[index]?.length ?? 0)),
  )
  const [head = '', ...body] = lines.map((line) => {
    return `| ${line.map((cell, index) => align(cell, widths[index] ?? 0, index)).join(' | ')} |`
  })
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [head, rule, ...body, ...failures(result)].join('\n')
}

export function caseTitle({ scenario, protocol, clients, turns, seconds }: CaseResult): string {
  const rounds = new Set(turns.map(({ round }) => round)).size
  return `${scenario}, ${protocol}, ${clients} clients (${rounds} rounds of ${seconds} s)`
}

function failures({ turns }: CaseResult): string[] {
  const said = turns.flatMap(({ system, failure }) =>
    failure === undefined ? [] : [`${system} failed: ${failure}`],
  )
  return [...new Set(said)].map((line) => `\n${line}`)
}

function align(cell: string, width: number, index: number): string {
  return index === 0 ? cell.padEnd(width) : cell.padStart(width)
}

function throughputColumn(): Column {
  return {
    title: 'throughput',
    cell: (result, system) => {
      const value = medianOf(result, system, 'throughput')
      return value === undefined ? 'failed' : `${Math.round(value)} ${result.unit}`
    },
  }
}

function ratioColumn(title: string, metric: Metric): Column {
  return {
    title,
    cell: (result, system) => medianRatio(result, system, REFERENCE, metric)?.toFixed(2) ?? '',
  }
}

function cpuColumn(title: string, metric: Metric): Column {
  return numberColumn(title, metric, 1)
}

function numberColumn(title: string, metric: Metric, digits: number): Column {
  return {
    title,
    cell: (result, system) => medianOf(result, system, metric)?.toFixed(digits) ?? '',
  }
}
