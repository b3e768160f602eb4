import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { laneFigures } from '../backend/lane-figures.ts'
import type { PoolStats } from '../backend/pool-figures.ts'
import type { PoolKey, Pools } from '../backend/pools.ts'
import type { Json } from '../base/across-processes.ts'
import type { QueryObserver, QueryTier } from '../executor/ports.ts'
import type { PinReason } from '../planner/plan.ts'
import { DurationHistogram } from './duration-histogram.ts'
import { addPgbouncerMetrics, type PgbouncerSources } from './pgbouncer-metrics.ts'

/** AcrossProcesses: a process answers with its Metrics.values(). */
export const METRICS_TOPIC = 'metrics'

/** Read at scrape time only. */
export type MetricsSources = {
  readonly pools: Pick<Pools, 'stats'>
  /** Clients that are connected now. */
  readonly clients: () => number
  /** Why clients keep server connections now: one entry for each connection and reason. */
  readonly pins: () => readonly PinReason[]
  /** undefined: without PgBouncer's names. */
  readonly pgbouncer?: PgbouncerSources
}

const CONNECTION_STATES = ['idle', 'busy', 'connecting'] as const
const PIN_REASONS: readonly PinReason[] = [
  'temporary table',
  'advisory lock',
  'listen',
  'cursor with hold',
  'session setting',
  'prepared statement',
  'random seed',
]
const POOL_LABELS = ['node', 'database', 'user'] as const
const MS_PER_SECOND = 1000

/** From a tenth of a millisecond, which a routed look-up takes, to a minute. */
const BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  30, 60,
]

/** What Prometheus scrapes. Histograms and counters are pushed once a statement; gauges are pulled at scrape time. */
export class Metrics implements QueryObserver {
  readonly #registry = new Registry()
  readonly #errors: Counter<'class'>
  readonly #durations = new DurationHistogram<QueryTier>(
    'pgloom_query_duration_seconds',
    'Time from a statement to the end of its answer, by the way in which it ran',
    'tier',
    BUCKETS_SECONDS,
  )

  constructor(sources: MetricsSources) {
    collectDefaultMetrics({ register: this.#registry })
    this.#registry.registerMetric(this.#durations.asMetric)
    this.#errors = new Counter({
      name: 'pgloom_errors_total',
      help: 'Errors that clients got, by class: the first two characters of the SQLSTATE',
      labelNames: ['class'],
      registers: [this.#registry],
    })
    addQueriesTotal(this.#registry, this.#durations)
    addClients(this.#registry, sources)
    addPins(this.#registry, sources)
    addPools(this.#registry, sources)
    if (sources.pgbouncer !== undefined) addPgbouncerMetrics(this.#registry, sources.pgbouncer)
    addLanes(this.#registry)
  }

  queryDone(tier: QueryTier, durationMs: number): void {
    this.#durations.observe(tier, durationMs / MS_PER_SECOND)
  }

  queryFailed(sqlState: string): void {
    this.#errors.inc({ class: sqlState.slice(0, 2) })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** For summedMetrics() of another process. */
  async values(): Promise<Json> {
    return (await this.#registry.getMetricsAsJSON()) as unknown as Json
  }

  /** In Prometheus' text format. */
  scrape(): Promise<string> {
    return this.#registry.metrics()
  }
}

/** The same numbers as the histogram's counts, under the name that people look for. */
function addQueriesTotal(registry: Registry, durations: DurationHistogram<QueryTier>): void {
  new Counter({
    name: 'pgloom_queries_total',
    help: 'Statements that ended well, by the way in which they ran',
    labelNames: ['tier'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [tier, count] of durations.counts()) this.inc({ tier }, count)
    },
  })
}

function addClients(registry: Registry, { clients }: MetricsSources): void {
  new Gauge({
    name: 'pgloom_clients',
    help: 'Clients that are connected',
    registers: [registry],
    collect() {
      this.set(clients())
    },
  })
}

function addPins(registry: Registry, { pins }: MetricsSources): void {
  new Gauge({
    name: 'pgloom_pins',
    help: 'Server connections that clients keep between transactions, by reason',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset()
      for (const reason of PIN_REASONS) this.set({ reason }, 0)
      for (const reason of pins()) this.inc({ reason })
    },
  })
}

function addLanes(registry: Registry): void {
  new Counter({
    name: 'pgloom_lane_statements_total',
    help: 'Statements that shared a server connection with those of other clients',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(laneFigures().statements)
    },
  })
  new Counter({
    name: 'pgloom_lane_wait_seconds_total',
    help: 'Time that these stood behind others',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(laneFigures().waitMs / MS_PER_SECOND)
    },
  })
}

function addPools(registry: Registry, { pools }: MetricsSources): void {
  new Gauge({
    name: 'pgloom_server_connections',
    help: 'Connections to servers, by state',
    labelNames: [...POOL_LABELS, 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const pool of pools.stats()) {
        for (const state of CONNECTION_STATES) {
          this.set({ ...poolLabels(pool), state }, pool[state])
        }
      }
    },
  })
  new Gauge({
    name: 'pgloom_pool_waiting',
    help: 'Statements that wait for a connection to a server',
    labelNames: POOL_LABELS,
    registers: [registry],
    collect() {
      this.reset()
      for (const pool of pools.stats()) this.set(poolLabels(pool), pool.waiting)
    },
  })
}

function poolLabels({ node, database, user }: PoolKey & PoolStats) {
  return { node: `${node.host}:${node.port}`, database, user }
}
