import { Counter, Gauge, type Registry } from 'prom-client'
import type { PoolFigures } from '../backend/pool-figures.ts'
import type { PoolKey } from '../backend/pools.ts'
import type { CounterName, TrafficTable } from '../backend/traffic-counters.ts'

export type ClientAtPool = {
  readonly database: string
  readonly user: string
  readonly isWaiting: boolean
}

/** What the console's tables are made of, too. */
export type PgbouncerSources = {
  readonly traffic: Pick<TrafficTable, 'rows'>
  readonly pools: { figures(): readonly (PoolKey & PoolFigures)[] }
  /** Those who have logged in. */
  readonly clientsAtPools: () => readonly ClientAtPool[]
}

const SECONDS_PER_MICRO = 1e-6
const SECONDS_PER_MS = 1e-3

type Statistic = readonly [counter: CounterName, name: string, help: string, factor?: number]

const STATISTICS: readonly Statistic[] = [
  ['statements', 'queries_pooled_total', 'Statements'],
  [
    'statementMicros',
    'queries_duration_seconds_total',
    'Time from statements to the ends of their answers',
    SECONDS_PER_MICRO,
  ],
  ['bytesReceived', 'received_bytes_total', 'Bytes from clients'],
  ['bytesSent', 'sent_bytes_total', 'Bytes to clients'],
  [
    'waitMicros',
    'client_wait_seconds_total',
    'Time that clients waited for a server connection',
    SECONDS_PER_MICRO,
  ],
  ['transactions', 'sql_transactions_pooled_total', 'Transactions'],
  [
    'transactionMicros',
    'server_in_transaction_seconds_total',
    'Time from the beginnings of transactions to their ends',
    SECONDS_PER_MICRO,
  ],
  ['clientParses', 'client_parses_total', 'Named statements that clients prepared'],
  ['serverParses', 'server_parses_total', 'Named statements prepared on servers'],
  ['binds', 'binds_total', 'Bind messages of clients'],
]

type Figure = readonly [name: string, help: string, value: (pool: PoolFigures) => number]

const FIGURES: readonly Figure[] = [
  ['server_active_connections', 'Server connections that clients use', (pool) => pool.sv_active],
  ['server_idle_connections', 'Server connections that are free', (pool) => pool.sv_idle],
  ['server_used_connections', 'Free, and to be checked before use', (pool) => pool.sv_used],
  ['server_testing_connections', 'Being checked or cleaned', (pool) => pool.sv_tested],
  ['server_login_connections', 'Server connections that log in', (pool) => pool.sv_login],
]

const POOL_LABELS = ['database', 'user'] as const

/**
 * The names by which dashboards know PgBouncer's figures: those of its exporter. The same counters as SHOW STATS and
 * SHOW POOLS, read when somebody looks.
 */
export function addPgbouncerMetrics(registry: Registry, sources: PgbouncerSources): void {
  for (const statistic of STATISTICS) addStatistic(registry, statistic, sources)
  for (const [name, help, value] of FIGURES) {
    addPoolGauge(registry, name, help, (add) => {
      for (const pool of sources.pools.figures()) add(pool, value(pool))
    })
  }
  for (const isWaiting of [false, true]) {
    const name = `client_${isWaiting ? 'waiting' : 'active'}_connections`
    const help = isWaiting ? 'Clients that wait for a server connection' : 'All other clients'
    addPoolGauge(registry, name, help, (add) => {
      for (const client of sources.clientsAtPools())
        add(client, Number(client.isWaiting === isWaiting))
    })
  }
  addLongestWait(registry, sources)
}

function addStatistic(
  registry: Registry,
  [counter, name, help, factor = 1]: Statistic,
  { traffic }: PgbouncerSources,
): void {
  new Counter({
    name: `pgbouncer_stats_${name}`,
    help,
    labelNames: ['database'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { database, counters } of traffic.rows()) {
        this.inc({ database }, counters[counter] * factor)
      }
    },
  })
}

type Add = (pool: { readonly database: string; readonly user: string }, value: number) => void

/** A pool is what one user has of one database, on all nodes together. */
function addPoolGauge(
  registry: Registry,
  name: string,
  help: string,
  collectInto: (add: Add) => void,
): void {
  new Gauge({
    name: `pgbouncer_pools_${name}`,
    help,
    labelNames: POOL_LABELS,
    registers: [registry],
    collect() {
      this.reset()
      collectInto(({ database, user }, value) => this.inc({ database, user }, value))
    },
  })
}

function addLongestWait(registry: Registry, { pools }: PgbouncerSources): void {
  new Gauge({
    name: 'pgbouncer_pools_client_maxwait_seconds',
    help: 'How long the first in the queue has waited',
    labelNames: POOL_LABELS,
    registers: [registry],
    aggregator: 'max',
    collect() {
      this.reset()
      const longest = new Map<string, number>()
      for (const { database, user, maxwait_ms } of pools.figures()) {
        const key = `${database}\0${user}`
        longest.set(key, Math.max(longest.get(key) ?? 0, maxwait_ms))
        this.set({ database, user }, (longest.get(key) ?? 0) * SECONDS_PER_MS)
      }
    },
  })
}
