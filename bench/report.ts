import { type CaseResult, type Metric, medianOf, medianRatio } from './figures.ts'

/** What ratios are to. */
export const REFERENCE = 'pgbouncer'
/** Where that is not of the run. */
const SECOND_REFERENCE = 'direct'

type Column = {
  readonly title: string
  readonly metric?: Metric
  cell(result: CaseResult, system: string): string
}

const COLUMNS: readonly Column[] = [
  { title: 'system', cell: (_result, system) => system },
  {
    title: 'throughput',
    metric: 'throughput',
    cell: (result, system) => {
      const value = medianOf(result, system, 'throughput')
      return value === undefined ? 'failed' : `${Math.round(value)} ${result.unit}`
    },
  },
  ratioColumn('ratio', 'throughput'),
  numberColumn('proxy us', 'proxyCpuUs', 1),
  numberColumn('postgres us', 'postgresCpuUs', 1),
  numberColumn('client us', 'clientCpuUs', 1),
  numberColumn('total us', 'totalCpuUs', 1),
  ratioColumn('total ratio', 'totalCpuUs'),
  numberColumn('p50 ms', 'p50Ms', 2),
  numberColumn('p99 ms', 'p99Ms', 2),
  ratioColumn('p99 ratio', 'p99Ms'),
  numberColumn('quiet p99 ms', 'quietP99Ms', 2),
  numberColumn('others %', 'foreignCpuPercent', 0),
  numberColumn('into one shard', 'shardThroughput', 0),
  numberColumn('by hand', 'byHandThroughput', 0),
  numberColumn('by the coordinator', 'pulledThroughput', 0),
  numberColumn('MiB', 'rssMiB', 1),
  numberColumn('KiB a client', 'clientKiB', 1),
]

/** Medians of one case, a system a line, as a Markdown table that is legible as plain text too. */
export function renderTable(result: CaseResult): string {
  const systems = [...new Set(result.turns.map(({ system }) => system))]
  const columns = COLUMNS.filter(({ metric }) => metric === undefined || isMeasured(result, metric))
  const rows = systems.map((system) => columns.map(({ cell }) => cell(result, system)))
  const table = renderRows([columns.map(({ title }) => title), ...rows])
  return [table, ...failures(result)].join('\n')
}

/** The first row is the head; all columns but the first are numbers. */
export function renderRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const [head = '', ...body] = rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `| ${cells.join(' | ')} |`
  })
  const rules = widths.map((width, column) => {
    return column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`
  })
  return [head, `|${rules.join('|')}|`, ...body].join('\n')
}

export function caseTitle({ scenario, protocol, clients, turns, seconds }: CaseResult): string {
  const rounds = new Set(turns.map(({ round }) => round)).size
  const people = clients === 1 ? '1 client' : `${clients} clients`
  return `${scenario}, ${protocol}, ${people} (${rounds} x ${seconds} s)`
}

function isMeasured({ turns }: CaseResult, metric: Metric): boolean {
  return metric === 'throughput' || turns.some(({ figures }) => figures?.[metric] !== undefined)
}

function failures({ turns }: CaseResult): string[] {
  const said = turns.flatMap(({ system, failure }) =>
    failure === undefined ? [] : [`\n${system} failed: ${failure}`],
  )
  return [...new Set(said)]
}

function referenceOf({ turns }: CaseResult): string {
  const hasReference = turns.some(({ system, figures }) => system === REFERENCE && figures)
  return hasReference ? REFERENCE : SECOND_REFERENCE
}

function ratioColumn(title: string, metric: Metric): Column {
  return {
    title,
    metric,
    cell: (result, system) =>
      medianRatio(result, system, referenceOf(result), metric)?.toFixed(2) ?? '',
  }
}

function numberColumn(title: string, metric: Metric, digits: number): Column {
  return {
    title,
    metric,
    cell: (result, system) => medianOf(result, system, metric)?.toFixed(digits) ?? '',
  }
}
