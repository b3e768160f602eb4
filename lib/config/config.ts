import type { LogLevel } from '../base/log.ts'

export type PoolMode = 'session' | 'transaction' | 'statement'

/** auto: as many lanes as serve best; a number: at most so many a pool. */
export type Pipeline = 'auto' | 'off' | number

export type AuthType = 'trust' | 'any' | 'plain' | 'md5' | 'scram-sha-256' | 'cert' | 'hba'

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

export type TlsProtocol = 'tlsv1.0' | 'tlsv1.1' | 'tlsv1.2' | 'tlsv1.3'

/**
 * What config/pgloom.schema.json describes (defaults, units and limits are there), after all defaults are filled in, users
 * files read, paths made absolute and forms that say the same made one. Frozen; a reload makes a new one.
 */
export type Config = {
  readonly listen: ConfigListen
  readonly tcp: { readonly keepalive: boolean; readonly keepidle_ms: number }
  readonly processes: number | 'auto'
  readonly http: { readonly enabled: boolean; readonly host: string; readonly port: number }
  readonly databases: readonly ConfigDatabase[]
  /** With those of auth.users_file. */
  readonly users: readonly ConfigUser[]
  readonly auth: ConfigAuth
  readonly tls: { readonly client: ConfigTls; readonly server: ConfigTls }
  readonly pool: ConfigPool
  readonly console: {
    readonly admin_users: readonly string[]
    readonly stats_users: readonly string[]
    readonly stats_period_ms: number
    readonly suspend_timeout_ms: number
  }
  readonly log: {
    readonly level: LogLevel
    readonly connections: boolean
    readonly disconnections: boolean
    readonly pooler_errors: boolean
    readonly stats: boolean
  }
  readonly ignore_startup_parameters: readonly string[]
  readonly application_name_add_host: boolean
  readonly shutdown_timeout_ms: number
  /** undefined: as the system has it. */
  readonly runtime_dir?: string
  readonly metadata_user: string
  readonly metadata_poll_interval_ms: number
  readonly recover_2pc_interval_ms: number
  readonly multi_shard_commit_protocol: '2pc' | '1pc'
}

export type ConfigListen = {
  /** Empty: only the Unix socket. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly backlog: number
  readonly unix_socket_dir?: string
  /** Octal digits. */
  readonly unix_socket_mode: string
  readonly max_client_conn: number
  readonly client_login_timeout_ms: number
  readonly max_message_bytes: number
  readonly login_notify_message?: string
}

export type ConfigDatabase = {
  /** `*`: any that is not listed. */
  readonly name: string
  readonly sharded: boolean
  /** The coordinator first, where the database is sharded; it has one only. */
  readonly hosts: readonly [string, ...string[]]
  readonly port: number
  readonly load_balance_hosts: 'round-robin' | 'disable'
  /** undefined: the client's name for it. */
  readonly dbname?: string
  /** undefined: as the client's user. */
  readonly user?: string
  readonly password?: string
  readonly pool_mode?: PoolMode
  readonly pipeline?: Pipeline
  readonly pool_size?: number
  readonly min_pool_size?: number
  readonly reserve_pool_size?: number
  readonly max_db_connections?: number
  readonly max_db_client_connections?: number
  readonly query_wait_timeout_ms?: number
  readonly server_lifetime_ms?: number
  readonly connect_query?: string
  readonly datestyle?: string
  readonly timezone?: string
  readonly application_name?: string
  readonly auth_user?: string
  readonly auth_query?: string
  readonly auth_dbname?: string
}

/** At most one of password, scram_secret and md5_secret. */
export type ConfigUser = {
  readonly name: string
  readonly password?: string
  readonly scram_secret?: string
  readonly md5_secret?: string
  readonly server_password?: string
  readonly pool_mode?: PoolMode
  readonly pool_size?: number
  readonly reserve_pool_size?: number
  readonly max_user_connections?: number
  readonly max_user_client_connections?: number
  readonly query_timeout_ms?: number
  readonly query_wait_timeout_ms?: number
  readonly transaction_timeout_ms?: number
  readonly idle_transaction_timeout_ms?: number
  readonly client_idle_timeout_ms?: number
}

export type ConfigAuth = {
  readonly type: AuthType
  readonly hba_file?: string
  readonly ident_file?: string
  readonly users_file?: string
  readonly auth_user?: string
  readonly auth_query: string
  readonly auth_dbname?: string
  readonly scram_iterations: number
}

export type ConfigTls = {
  readonly sslmode: SslMode
  readonly key_file?: string
  readonly cert_file?: string
  readonly ca_file?: string
  readonly protocols: readonly TlsProtocol[]
  readonly ciphers?: string
  readonly tls13_ciphers?: string
}

/** 0 of a limit or timeout: there is none, where the schema doesn't say otherwise. */
export type ConfigPool = {
  readonly pool_mode: PoolMode
  readonly pipeline: Pipeline
  readonly default_pool_size: number
  readonly min_pool_size: number
  readonly reserve_pool_size: number
  readonly reserve_pool_timeout_ms: number
  readonly max_db_connections: number
  readonly max_db_client_connections: number
  readonly max_user_connections: number
  readonly max_user_client_connections: number
  readonly query_wait_timeout_ms: number
  readonly query_wait_notify_ms: number
  readonly query_timeout_ms: number
  readonly transaction_timeout_ms: number
  readonly idle_transaction_timeout_ms: number
  readonly client_idle_timeout_ms: number
  readonly cancel_wait_timeout_ms: number
  readonly server_lifetime_ms: number
  readonly server_idle_timeout_ms: number
  readonly server_connect_timeout_ms: number
  readonly server_login_retry_ms: number
  readonly server_check_query: string
  readonly server_check_delay_ms: number
  readonly server_reset_query: string
  readonly server_reset_query_always: boolean
  readonly server_fast_close: boolean
  readonly server_round_robin: boolean
  readonly max_prepared_statements: number
  readonly prepare_point_reads: boolean
}
