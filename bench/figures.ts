import { median } from './statistics.ts'

/**
 * What one run gives. `throughput` is in the scenario's unit, CPU in microseconds for each unit of it that was done
 * (a transaction or a MB), of: the proxy, all Postgres servers, the client, and their sum.
 */
export type Metric =
  | 'throughput'
  | 'proxyCpuUs'
  | 'postgresCpuUs'
  | 'clientCpuUs'
  | 'totalCpuUs'
  | 'p50Ms'
  | 'p99Ms'
  /** p99 without the disturbance that the scenario adds. */
  | 'quietP99Ms'
  /** Percent of the whole machine that was used by anyone else. */
  | 'foreignCpuPercent'
  | 'rssMiB'
  /** Of the same by psql, straight into one shard. */
  | 'shardThroughput'
  /** Of the same by statements straight on the workers' shards. */
  | 'byHandThroughput'
  /** Of the same by the coordinator. */
  | 'pulledThroughput'
  | 'clientKiB'

export type Figures = Readonly<Partial<Record<Metric, number>>>

/** One turn of one system; a failure has no figures. */
export type Turn = {
  readonly system: string
  readonly round: number
  readonly figures?: Figures
  readonly failure?: string
}

export type CaseResult = {
  readonly scenario: string
  readonly protocol: string
  readonly clients: number
  readonly unit: string
  readonly seconds: number
  readonly turns: readonly Turn[]
}

export function medianOf(result: CaseResult, system: string, metric: Metric): number | undefined {
  return median(
    result.turns.flatMap((turn) => (turn.system === system ? known(turn.figures?.[metric]) : [])),
  )
}

/** Ratios within each round, then their median: both systems of a round met the same machine. */
export function medianRatio(
  result: CaseResult,
  system: string,
  reference: string,
  metric: Metric,
): number | undefined {
  const references = new Map(
    result.turns
      .filter((turn) => turn.system === reference)
      .map((turn) => [turn.round, turn.figures?.[metric]]),
  )
  return median(
    result.turns.flatMap((turn) => {
      const own = turn.system === system ? turn.figures?.[metric] : undefined
      const other = references.get(turn.round)
      return own === undefined || other === undefined || other <= 0 ? [] : [own / other]
    }),
  )
}

function known(value: number | undefined): number[] {
  return value === undefined ? [] : [value]
}
