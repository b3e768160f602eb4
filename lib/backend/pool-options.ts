export type PoolMode = 'session' | 'transaction' | 'statement'

/** Of one pool. A time or number of 0 is no limit, unless said otherwise. */
export type PoolOptions = {
  readonly mode: PoolMode
  /** What this pool itself knows of pool_size: more than that is closed when it comes back. */
  readonly maxConnections: number
  readonly reserveConnections: number
  /** 0: the reserve is never used. */
  readonly reserveTimeoutMs: number
  /** Kept open while the pool is in use, or always when it is standing. */
  readonly minConnections: number
  readonly isStanding: boolean
  readonly maxParallelConnects: number
  /** How long a request waits for a connection. */
  readonly acquireTimeoutMs: number
  /** An idle connection is closed after this. */
  readonly idleTimeoutMs: number
  /** A connection older than this, less up to a fifth, is closed when it is idle; 0: after one use. */
  readonly maxLifetimeMs: number
  /** The longest time between attempts to log in to a server that fails. */
  readonly loginRetryMs: number
  /** Asked of a connection that was idle for longer than checkDelayMs; '<empty>' is an empty query, '' nothing. */
  readonly checkQuery: string
  readonly checkDelayMs: number
  /** Cleans a connection after its session, in session mode. */
  readonly resetQuery: string
  readonly resetsAlways: boolean
  /** In session mode: what is to be replaced ends as soon as its session stands outside a transaction. */
  readonly closesFast: boolean
  /** Infinity: as many as serve best; 0: none. */
  readonly maxLanes: number
  /** Lend what has been idle longest, instead of shortest. */
  readonly isRoundRobin: boolean
}

export const DEFAULT_POOL_OPTIONS: PoolOptions = {
  mode: 'transaction',
  maxConnections: 20,
  reserveConnections: 0,
  reserveTimeoutMs: 5000,
  minConnections: 0,
  isStanding: false,
  maxParallelConnects: 4,
  acquireTimeoutMs: 120_000,
  idleTimeoutMs: 600_000,
  maxLifetimeMs: 3_600_000,
  loginRetryMs: 15_000,
  checkQuery: '<empty>',
  checkDelayMs: 30_000,
  resetQuery: 'DISCARD ALL',
  resetsAlways: false,
  closesFast: false,
  maxLanes: Number.POSITIVE_INFINITY,
  isRoundRobin: false,
}
