import { clusterSettingDefault } from '../../catalog/cluster-settings.ts'
import type { LenderOptions } from './connection-lender.ts'

export type SparePoolsOptions = Pick<
  LenderOptions,
  'pools' | 'catalog' | 'database' | 'user' | 'settings'
>

/** Tells one session what it may take beyond the connections that its statement needs. */
export class SparePools {
  readonly #options: SparePoolsOptions

  constructor(options: SparePoolsOptions) {
    this.#options = options
  }

  /** The pool has one more to give, and nobody waits for it. What sessions keep for themselves is not for the asking. */
  has(nodeId: number): boolean {
    const { pools, catalog, database, user } = this.#options
    const node = catalog.current().nodes.find((one) => one.nodeId === nodeId)
    if (node === undefined) return false
    const pool = pools.get(node, database, user)
    const { idle, busy, connecting, waiting } = pool.stats
    const { mode, maxConnections } = pool.options
    if (mode === 'session' || waiting > 0) return false
    return idle > 0 || maxConnections === 0 || busy + connecting < maxConnections
  }

  get maxPerNode(): number {
    return this.#integer('citus.max_adaptive_executor_pool_size')
  }

  get slowStartMs(): number {
    return this.#integer('citus.executor_slow_start_interval')
  }

  /** The setting's value is kept as an SQL literal. */
  #integer(name: string): number {
    const { effective } = this.#options.settings
    const literal = effective.get(name) ?? clusterSettingDefault(name) ?? ''
    return Number(literal.replaceAll("'", ''))
  }
}
