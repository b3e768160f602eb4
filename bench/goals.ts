import { type CaseResult, type Metric, medianOf, medianRatio } from './figures.ts'
import { REFERENCE } from './report.ts'

/** What pgloom is to reach, in one process: a ratio to PgBouncer in the same rounds, or a figure of its own. */
type Goal = {
  readonly scenario: string
  readonly protocol: string
  readonly clients: number
  readonly what: string
  readonly bound: { readonly atLeast: number } | { readonly atMost: number }
  value(result: CaseResult): number | undefined
}

export type GoalResult = {
  readonly name: string
  readonly bound: string
  readonly value: number
  readonly isMet: boolean
}

const SYSTEM = 'pgloom'

const RATIO_NAMES: Readonly<Partial<Record<Metric, string>>> = {
  throughput: 'throughput ratio',
  p99Ms: 'p99 ratio',
  totalCpuUs: 'total CPU ratio',
}

const THROUGHPUTS: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  simple: { 1: 0.75, 16: 1.3, 64: 2.0, 256: 1.8 },
  prepared: { 1: 0.75, 16: 1.3, 64: 2.2, 256: 2.3 },
}
/** What may be lost where the table is spread over 32 shards. */
const SHARDED_PART = 0.85
const BUSY_CLIENTS = 64

const GOALS: readonly Goal[] = [
  ...Object.entries(THROUGHPUTS).flatMap(([protocol, goals]) =>
    Object.entries(goals).flatMap(([clients, atLeast]) => [
      ratio('select-only', protocol, Number(clients), 'throughput', { atLeast }),
      ratio('sharded-select', protocol, Number(clients), 'throughput', {
        atLeast: atLeast * SHARDED_PART,
      }),
    ]),
  ),
  ...Object.keys(THROUGHPUTS).flatMap((protocol) => [
    ratio('select-only', protocol, BUSY_CLIENTS, 'p99Ms', { atMost: 1 }),
    ratio('select-only', protocol, BUSY_CLIENTS, 'totalCpuUs', { atMost: 0.55 }),
    ratio('transaction', protocol, BUSY_CLIENTS, 'throughput', { atLeast: 1 }),
    {
      scenario: 'mixed',
      protocol,
      clients: BUSY_CLIENTS,
      what: 'p99 to undisturbed p99',
      bound: { atMost: 3 },
      value: (result: CaseResult) => quotient(result, 'p99Ms', 'quietP99Ms'),
    },
  ]),
  {
    scenario: 'fan-out',
    protocol: 'prepared',
    clients: 1,
    what: 'us of CPU of proxy and servers',
    bound: { atMost: 400 },
    value: (result) => {
      const proxy = medianOf(result, SYSTEM, 'proxyCpuUs')
      const postgres = medianOf(result, SYSTEM, 'postgresCpuUs')
      return proxy === undefined || postgres === undefined ? undefined : proxy + postgres
    },
  },
  ratio('stream', 'simple', 1, 'throughput', { atLeast: 1.4 }),
  {
    scenario: 'copy-in',
    protocol: 'simple',
    clients: 1,
    what: 'throughput ratio to one Postgres',
    bound: { atLeast: 1 },
    value: (result) => medianRatio(result, SYSTEM, 'direct', 'throughput'),
  },
  {
    scenario: 'copy-in',
    protocol: 'simple',
    clients: 1,
    what: 'MiB',
    bound: { atMost: 200 },
    value: (result) => medianOf(result, SYSTEM, 'rssMiB'),
  },
  {
    scenario: 'idle',
    protocol: 'simple',
    clients: 5000,
    what: 'MiB',
    bound: { atMost: 200 },
    value: (result) => medianOf(result, SYSTEM, 'rssMiB'),
  },
]

/** Of those goals whose cases were run, against PgBouncer where it takes one. */
export function judgeGoals(results: readonly CaseResult[]): readonly GoalResult[] {
  return GOALS.flatMap((goal) => {
    const result = results.find(
      ({ scenario, protocol, clients }) =>
        scenario === goal.scenario && protocol === goal.protocol && clients === goal.clients,
    )
    const value = result === undefined ? undefined : goal.value(result)
    if (value === undefined) return []
    const { bound } = goal
    const name = `${goal.scenario}, ${goal.protocol}, ${goal.clients}: ${goal.what}`
    return 'atLeast' in bound
      ? [{ name, bound: `>= ${bound.atLeast.toFixed(2)}`, value, isMet: value >= bound.atLeast }]
      : [{ name, bound: `<= ${bound.atMost.toFixed(2)}`, value, isMet: value <= bound.atMost }]
  })
}

function ratio(
  scenario: string,
  protocol: string,
  clients: number,
  metric: Metric,
  bound: Goal['bound'],
): Goal {
  const what = RATIO_NAMES[metric] ?? metric
  const value = (result: CaseResult) => medianRatio(result, SYSTEM, REFERENCE, metric)
  return { scenario, protocol, clients, what, bound, value }
}

function quotient(result: CaseResult, above: Metric, below: Metric): number | undefined {
  const numerator = medianOf(result, SYSTEM, above)
  const denominator = medianOf(result, SYSTEM, below)
  return numerator === undefined || denominator === undefined || denominator <= 0
    ? undefined
    : numerator / denominator
}
