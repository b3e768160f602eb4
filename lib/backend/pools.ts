import type { BackendAddress } from './backend-address.ts'
import { connectBackend } from './backend-handshake.ts'
import { Pool, type PoolOptions, type PoolStats } from './pool.ts'
import type { ServerCredential } from './server-credential.ts'
import { SharedListener } from './shared-listener.ts'

export type PoolsOptions = PoolOptions & {
  readonly connectTimeoutMs: number
  readonly allowsCleartextPassword: boolean
  /** undefined: none is known, the server must trust us. */
  readonly credentialOf: (key: PoolKey) => ServerCredential | undefined
  /** Sent at the start of each connection, for example application_name. */
  readonly parameters: Readonly<Record<string, string>>
}

export const DEFAULT_POOLS_OPTIONS: PoolsOptions = {
  maxConnections: 16,
  maxParallelConnects: 4,
  acquireTimeoutMs: 30_000,
  idleTimeoutMs: 600_000,
  maxLifetimeMs: 3_600_000,
  connectTimeoutMs: 10_000,
  allowsCleartextPassword: false,
  credentialOf: () => undefined,
  parameters: { application_name: 'pgloom' },
}

const SWEEP_INTERVAL_MS = 5000

export type PoolKey = {
  readonly node: BackendAddress
  readonly database: string
  readonly user: string
}

/** All pools, made when they are first asked for and forgotten when they stand empty. */
export class Pools {
  readonly #options: PoolsOptions
  readonly #pools = new Map<string, { readonly key: PoolKey; readonly pool: Pool }>()
  readonly #listeners = new Map<string, SharedListener>()
  readonly #sweeper: NodeJS.Timeout

  constructor(options: PoolsOptions) {
    this.#options = options
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS)
    this.#sweeper.unref()
  }

  /** Don't keep the pool: ask again for each connection; but release to the pool that gave it. */
  get(node: BackendAddress, database: string, user: string): Pool {
    const text = poolName(node, database, user)
    const known = this.#pools.get(text)
    if (known !== undefined) return known.pool
    const { nodeId, host, port } = node
    const key: PoolKey = { node: { nodeId, host, port }, database, user }
    const pool = new Pool(this.#options, () => this.#connect(key))
    this.#pools.set(text, { key, pool })
    return pool
  }

  /** Outside of all pools: one connection, while anyone listens. */
  listener(node: BackendAddress, database: string, user: string): SharedListener {
    const text = poolName(node, database, user)
    const known = this.#listeners.get(text)
    if (known !== undefined) return known
    const { nodeId, host, port } = node
    const key: PoolKey = { node: { nodeId, host, port }, database, user }
    const made = new SharedListener(() => this.#connect(key))
    this.#listeners.set(text, made)
    return made
  }

  /** For SHOW and metrics. */
  stats(): (PoolKey & PoolStats)[] {
    return [...this.#pools.values()].map(({ key, pool }) => ({ ...key, ...pool.stats }))
  }

  closeAll(): void {
    clearInterval(this.#sweeper)
    for (const { pool } of this.#pools.values()) pool.close()
    this.#pools.clear()
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }

  #connect(key: PoolKey) {
    const { connectTimeoutMs, allowsCleartextPassword, credentialOf, parameters } = this.#options
    return connectBackend({
      ...key,
      credential: credentialOf(key),
      parameters,
      connectTimeoutMs,
      allowsCleartextPassword,
    })
  }

  #sweep(): void {
    const nowMs = Date.now()
    for (const [text, { pool }] of this.#pools) {
      if (pool.isEmpty) this.#pools.delete(text)
      else pool.sweep(nowMs)
    }
    for (const [text, listener] of this.#listeners) {
      if (listener.isIdle) this.#listeners.delete(text)
    }
  }
}

function poolName(node: BackendAddress, database: string, user: string): string {
  return `${node.nodeId}\0${node.host}\0${node.port}\0${database}\0${user}`
}
