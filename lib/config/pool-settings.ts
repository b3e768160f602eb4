import type {
  Config,
  ConfigDatabase,
  ConfigPool,
  ConfigUser,
  Pipeline,
  PoolMode,
} from './config.ts'

/** Stands for "no limit", where a limit is compared with a count. */
export const NO_LIMIT = Number.MAX_SAFE_INTEGER

/** What holds for one user in one database. 0 of a time: none. */
export type PoolSettings = {
  readonly poolMode: PoolMode
  readonly pipeline: Pipeline
  readonly poolSize: number
  readonly minPoolSize: number
  readonly reservePoolSize: number
  readonly maxDbConnections: number
  readonly maxDbClientConnections: number
  readonly maxUserConnections: number
  readonly maxUserClientConnections: number
  readonly queryWaitTimeoutMs: number
  readonly queryTimeoutMs: number
  readonly transactionTimeoutMs: number
  readonly idleTransactionTimeoutMs: number
  readonly clientIdleTimeoutMs: number
  readonly serverLifetimeMs: number
}

/** The entry of the name, or that of `*`. */
export function databaseOf(config: Config, name: string): ConfigDatabase | undefined {
  return (
    config.databases.find((database) => database.name === name) ??
    config.databases.find((database) => database.name === '*')
  )
}

/** `database` is the clients' name for it. What is said of the user goes before what is said of the database. */
export function poolSettings(config: Config, database: string, user: string): PoolSettings {
  const { pool } = config
  const own = databaseOf(config, database)
  const role = config.users.find(({ name }) => name === user)
  const wait = role?.query_wait_timeout_ms ?? own?.query_wait_timeout_ms
  const size = role?.pool_size ?? own?.pool_size ?? pool.default_pool_size
  return {
    poolMode: role?.pool_mode ?? own?.pool_mode ?? pool.pool_mode,
    pipeline: own?.pipeline ?? pool.pipeline,
    poolSize: limit(size),
    minPoolSize: own?.min_pool_size ?? pool.min_pool_size,
    reservePoolSize: role?.reserve_pool_size ?? own?.reserve_pool_size ?? pool.reserve_pool_size,
    // as PgBouncer has it, 0 of a database or user is what holds for all
    maxDbConnections: limit(own?.max_db_connections || pool.max_db_connections),
    maxDbClientConnections: limit(own?.max_db_client_connections || pool.max_db_client_connections),
    maxUserConnections: limit(role?.max_user_connections || pool.max_user_connections),
    maxUserClientConnections: limit(
      role?.max_user_client_connections || pool.max_user_client_connections,
    ),
    queryWaitTimeoutMs: wait ?? pool.query_wait_timeout_ms,
    ...userTimeouts(pool, role),
    serverLifetimeMs: own?.server_lifetime_ms || pool.server_lifetime_ms,
  }
}

function userTimeouts(pool: ConfigPool, role: ConfigUser | undefined) {
  return {
    queryTimeoutMs: role?.query_timeout_ms || pool.query_timeout_ms,
    transactionTimeoutMs: role?.transaction_timeout_ms || pool.transaction_timeout_ms,
    idleTransactionTimeoutMs: role?.idle_transaction_timeout_ms || pool.idle_transaction_timeout_ms,
    clientIdleTimeoutMs: role?.client_idle_timeout_ms || pool.client_idle_timeout_ms,
  }
}

function limit(value: number): number {
  return value === 0 ? NO_LIMIT : value
}
