import type { BackendConnection } from './backend-connection.ts'
import type { PoolMode } from './pool-options.ts'

export type PoolStats = {
  readonly idle: number
  readonly busy: number
  readonly connecting: number
  readonly waiting: number
}

/** What SHOW POOLS says of the server side, in PgBouncer's names. */
export type PoolFigures = {
  readonly cl_waiting: number
  readonly sv_active: number
  readonly sv_idle: number
  /** Idle, and for so long that it is checked before it is used. */
  readonly sv_used: number
  /** Being checked, mended or cleaned. */
  readonly sv_tested: number
  readonly sv_login: number
  /** How long the first in the queue has waited. */
  readonly maxwait_ms: number
  readonly pool_mode: PoolMode
}

/** For SHOW SERVERS. */
export type ConnectionUse = {
  readonly connection: BackendConnection
  readonly use: 'active' | 'idle' | 'used' | 'tested'
  /** It is closed when it is next free. */
  readonly isCloseNeeded: boolean
}
