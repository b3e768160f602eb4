import { DEFAULT_CONNECTION_LIMITS } from '../backend/backend-connection.ts'
import type { SlotLimits, SlotPool } from '../backend/connection-slots.ts'
import type { PoolOptions } from '../backend/pool-options.ts'
import { DEFAULT_POOLS_OPTIONS, type PoolKey, type PoolsOptions } from '../backend/pools.ts'
import type { Config, ConfigDatabase, ConfigPool, ConfigUser, Pipeline } from '../config/config.ts'
import type { ClientCustoms } from '../session/client/client-customs.ts'
import type { ClientLimits } from '../session/client/client-slots.ts'
import type { TimeLimits } from '../session/session-timers.ts'
import type { Access } from './access.ts'

/** Of the one node of a database that is pooled only. */
export const LOCAL_NODE_ID = 0

const APPLICATION_NAME = 'pgloom'
/** What timers take. */
const LONGEST_MS = 2 ** 31 - 1

/** What a configuration says of the pools; a user's own settings go before the database's, as in PgBouncer. */
export function poolsOptions(
  config: Config,
  access: Pick<Access, 'credentialOf' | 'serverTls'>,
): Omit<PoolsOptions, 'slots'> {
  return {
    ...DEFAULT_POOLS_OPTIONS,
    ...commonOptions(config.pool),
    connectTimeoutMs: config.pool.server_connect_timeout_ms || LONGEST_MS,
    tls: access.serverTls,
    connectionLimits: {
      ...DEFAULT_CONNECTION_LIMITS,
      maxPreparedStatements: config.pool.max_prepared_statements,
      preparesPointReads: config.pool.prepare_point_reads,
      cancelTimeoutMs: config.pool.cancel_wait_timeout_ms,
    },
    credentialOf: ({ database, user }) => access.credentialOf(database, user),
    parameters: { application_name: APPLICATION_NAME },
    differencesOf: (key) => ownOptions(config, key),
  }
}

/** As in PgBouncer: a database that is always used as the same user needs no client to be kept warm. */
export function standingPools({ databases, pool }: Config): readonly PoolKey[] {
  return databases.flatMap(({ name, hosts, port, user, min_pool_size: min }) => {
    const size = min ?? pool.min_pool_size
    if (user === undefined || name === '*' || size === 0) return []
    return { node: { nodeId: LOCAL_NODE_ID, host: hosts[0], port }, database: name, user }
  })
}

export function slotLimits(config: Config): SlotLimits {
  const { pool } = config
  return {
    poolSize: (key) => sizes(config, key).pool_size,
    reserveSize: (key) => sizes(config, key).reserve_pool_size,
    maxDatabaseConnections: ({ database }) => {
      return databaseOf(config, database)?.max_db_connections ?? pool.max_db_connections
    },
    maxUserConnections: ({ user }) => {
      return userOf(config, user)?.max_user_connections ?? pool.max_user_connections
    },
  }
}

export function clientLimits(config: Config): ClientLimits {
  const { listen, pool } = config
  return {
    total: listen.max_client_conn,
    ofDatabase: (name) => {
      const database = databaseOf(config, name)
      return database?.max_db_client_connections ?? pool.max_db_client_connections
    },
    ofUser: (name) => {
      const user = userOf(config, name)
      return user?.max_user_client_connections ?? pool.max_user_client_connections
    },
  }
}

export function clientCustoms(config: Config): ClientCustoms {
  const { listen, log } = config
  return {
    ignoredParameters: new Set(config.ignore_startup_parameters.map((name) => name.toLowerCase())),
    addsHostToApplicationName: config.application_name_add_host,
    loginMessage: listen.login_notify_message,
    logsConnections: log.connections,
    logsDisconnections: log.disconnections,
    logsErrors: log.pooler_errors,
  }
}

/** Of sessions, by user. */
export function timeLimits(config: Config): TimeLimits {
  const { listen, pool } = config
  return {
    loginTimeoutMs: listen.client_login_timeout_ms,
    waitNotifyMs: pool.query_wait_notify_ms,
    of: (login) => {
      const user = userOf(config, login.user)
      return {
        queryTimeoutMs: user?.query_timeout_ms ?? pool.query_timeout_ms,
        transactionTimeoutMs: user?.transaction_timeout_ms ?? pool.transaction_timeout_ms,
        idleTransactionTimeoutMs:
          user?.idle_transaction_timeout_ms ?? pool.idle_transaction_timeout_ms,
        clientIdleTimeoutMs: user?.client_idle_timeout_ms ?? pool.client_idle_timeout_ms,
      }
    },
  }
}

function commonOptions(pool: ConfigPool): Partial<PoolOptions> {
  return {
    reserveTimeoutMs: pool.reserve_pool_timeout_ms,
    idleTimeoutMs: pool.server_idle_timeout_ms,
    loginRetryMs: pool.server_login_retry_ms,
    checkQuery: pool.server_check_query,
    checkDelayMs: pool.server_check_delay_ms,
    resetQuery: pool.server_reset_query,
    resetsAlways: pool.server_reset_query_always,
    closesFast: pool.server_fast_close,
    isRoundRobin: pool.server_round_robin,
  }
}

function ownOptions(config: Config, key: PoolKey): Partial<PoolOptions> {
  const { pool } = config
  const database = databaseOf(config, key.database)
  const user = userOf(config, key.user)
  const { pool_size, reserve_pool_size } = sizes(config, key)
  return {
    mode: user?.pool_mode ?? database?.pool_mode ?? pool.pool_mode,
    maxConnections: pool_size,
    reserveConnections: reserve_pool_size,
    minConnections: database?.min_pool_size ?? pool.min_pool_size,
    maxLanes: lanesOf(database?.pipeline ?? pool.pipeline),
    acquireTimeoutMs:
      user?.query_wait_timeout_ms ?? database?.query_wait_timeout_ms ?? pool.query_wait_timeout_ms,
    maxLifetimeMs: database?.server_lifetime_ms ?? pool.server_lifetime_ms,
  }
}

function lanesOf(pipeline: Pipeline): number {
  if (pipeline === 'auto') return Number.POSITIVE_INFINITY
  return pipeline === 'off' ? 0 : pipeline
}

function sizes(config: Config, key: Pick<SlotPool, 'database' | 'user'>) {
  const { pool } = config
  const database = databaseOf(config, key.database)
  const user = userOf(config, key.user)
  return {
    pool_size: user?.pool_size ?? database?.pool_size ?? pool.default_pool_size,
    reserve_pool_size:
      user?.reserve_pool_size ?? database?.reserve_pool_size ?? pool.reserve_pool_size,
  }
}

/** `*` stands for those without an entry. */
export function databaseOf({ databases }: Config, name: string): ConfigDatabase | undefined {
  return databases.find((one) => one.name === name) ?? databases.find((one) => one.name === '*')
}

export function userOf({ users }: Config, name: string): ConfigUser | undefined {
  return users.find((one) => one.name === name)
}
