/** How the text of a parameter becomes a value of ours. */
export type IniKind =
  | 'integer'
  | 'flag'
  | 'seconds'
  | 'word'
  | 'text'
  /** An empty text has a meaning of its own. */
  | 'query'
  | 'names'
  | 'addresses'
  | 'file'
  | 'protocols'
  | 'ciphers'
  | 'message-bytes'
  | 'verbosity'

export type IniKey =
  /** `path` is of our configuration: section.key. */
  | { readonly path: string; readonly kind: IniKind }
  /** Has no effect here; `harmless` is the value that needs no warning. */
  | { readonly unsupported: string; readonly harmless?: string }

const LOGS = 'the log goes to standard error, as JSON lines'
const RESOLVER = 'names are resolved by the operating system for each new connection'
const KERNEL = "the operating system's own setting holds"

/** Those of a pool that have the same name in section pool. */
const POOL: Readonly<Record<string, IniKind>> = {
  default_pool_size: 'integer',
  max_db_client_connections: 'integer',
  max_db_connections: 'integer',
  max_prepared_statements: 'integer',
  max_user_client_connections: 'integer',
  max_user_connections: 'integer',
  min_pool_size: 'integer',
  pool_mode: 'word',
  reserve_pool_size: 'integer',
  server_check_query: 'query',
  server_fast_close: 'flag',
  server_reset_query: 'query',
  server_reset_query_always: 'flag',
  server_round_robin: 'flag',
}

/** These have it with _ms at the end. */
const POOL_TIMES: readonly string[] = [
  'cancel_wait_timeout',
  'client_idle_timeout',
  'idle_transaction_timeout',
  'query_timeout',
  'query_wait_notify',
  'query_wait_timeout',
  'reserve_pool_timeout',
  'server_check_delay',
  'server_connect_timeout',
  'server_idle_timeout',
  'server_lifetime',
  'server_login_retry',
  'transaction_timeout',
]

const TLS: Readonly<Record<string, IniKind>> = {
  ca_file: 'file',
  cert_file: 'file',
  ciphers: 'ciphers',
  key_file: 'file',
  protocols: 'protocols',
  sslmode: 'word',
  tls13_ciphers: 'text',
}

function sectionOf(side: 'client' | 'server'): [string, IniKey][] {
  return Object.entries(TLS).map(([key, kind]) => {
    const name = key === 'tls13_ciphers' ? `${side}_${key}` : `${side}_tls_${key}`
    return [name, { path: `tls.${side}.${key}`, kind }]
  })
}

/** All parameters of section [pgbouncer] that PgBouncer 1.25 knows. */
export const INI_KEYS: ReadonlyMap<string, IniKey> = new Map<string, IniKey>([
  ...Object.entries(POOL).map(([key, kind]): [string, IniKey] => [
    key,
    { path: `pool.${key}`, kind },
  ]),
  ...POOL_TIMES.map((key): [string, IniKey] => [key, { path: `pool.${key}_ms`, kind: 'seconds' }]),
  ...sectionOf('client'),
  ...sectionOf('server'),
  ['admin_users', { path: 'console.admin_users', kind: 'names' }],
  ['application_name_add_host', { path: 'application_name_add_host', kind: 'flag' }],
  ['auth_dbname', { path: 'auth.auth_dbname', kind: 'text' }],
  ['auth_file', { path: 'auth.users_file', kind: 'file' }],
  ['auth_hba_file', { path: 'auth.hba_file', kind: 'file' }],
  ['auth_ident_file', { path: 'auth.ident_file', kind: 'file' }],
  ['auth_query', { path: 'auth.auth_query', kind: 'text' }],
  ['auth_type', { path: 'auth.type', kind: 'word' }],
  ['auth_user', { path: 'auth.auth_user', kind: 'text' }],
  ['client_login_timeout', { path: 'listen.client_login_timeout_ms', kind: 'seconds' }],
  ['ignore_startup_parameters', { path: 'ignore_startup_parameters', kind: 'names' }],
  ['listen_addr', { path: 'listen.host', kind: 'addresses' }],
  ['listen_backlog', { path: 'listen.backlog', kind: 'integer' }],
  ['listen_port', { path: 'listen.port', kind: 'integer' }],
  ['log_connections', { path: 'log.connections', kind: 'flag' }],
  ['log_disconnections', { path: 'log.disconnections', kind: 'flag' }],
  ['log_pooler_errors', { path: 'log.pooler_errors', kind: 'flag' }],
  ['log_stats', { path: 'log.stats', kind: 'flag' }],
  ['login_notify_message', { path: 'listen.login_notify_message', kind: 'text' }],
  ['max_client_conn', { path: 'listen.max_client_conn', kind: 'integer' }],
  ['max_packet_size', { path: 'listen.max_message_bytes', kind: 'message-bytes' }],
  ['scram_iterations', { path: 'auth.scram_iterations', kind: 'integer' }],
  ['stats_period', { path: 'console.stats_period_ms', kind: 'seconds' }],
  ['stats_users', { path: 'console.stats_users', kind: 'names' }],
  ['suspend_timeout', { path: 'console.suspend_timeout_ms', kind: 'seconds' }],
  ['tcp_keepalive', { path: 'tcp.keepalive', kind: 'flag' }],
  ['tcp_keepidle', { path: 'tcp.keepidle_ms', kind: 'seconds' }],
  ['unix_socket_dir', { path: 'listen.unix_socket_dir', kind: 'text' }],
  ['unix_socket_mode', { path: 'listen.unix_socket_mode', kind: 'text' }],
  ['verbose', { path: 'log.level', kind: 'verbosity' }],
  ['auth_ldap_options', { unsupported: 'LDAP is not supported', harmless: '' }],
  [
    'autodb_idle_timeout',
    { unsupported: 'a database of * is forgotten with its last connection', harmless: '3600' },
  ],
  ['client_tls_dheparams', { unsupported: 'OpenSSL chooses', harmless: 'auto' }],
  ['client_tls_ecdhcurve', { unsupported: 'OpenSSL chooses', harmless: 'auto' }],
  ['conffile', { unsupported: 'the file is the one that is started with' }],
  ['disable_pqexec', { unsupported: 'the simple protocol stays enabled', harmless: '0' }],
  ['dns_max_ttl', { unsupported: RESOLVER }],
  ['dns_nxdomain_ttl', { unsupported: RESOLVER }],
  ['dns_zone_check_period', { unsupported: RESOLVER, harmless: '0' }],
  ['job_name', { unsupported: 'the log has no such name' }],
  ['logfile', { unsupported: LOGS, harmless: '' }],
  ['peer_id', { unsupported: 'there are no peers', harmless: '0' }],
  ['pidfile', { unsupported: 'we stay in the foreground', harmless: '' }],
  ['pkt_buf', { unsupported: 'buffers are sized by us' }],
  ['pool_idle_timeout', { unsupported: 'a pool that stands empty is forgotten', harmless: '0' }],
  ['resolv_conf', { unsupported: RESOLVER, harmless: '' }],
  ['sbuf_loopcnt', { unsupported: 'clients take turns anyway' }],
  ['service_name', { unsupported: 'the log has no such name' }],
  ['so_reuseport', { unsupported: 'our processes share the port anyway', harmless: '0' }],
  ['syslog', { unsupported: LOGS, harmless: '0' }],
  ['syslog_facility', { unsupported: LOGS }],
  ['syslog_ident', { unsupported: LOGS }],
  ['tcp_defer_accept', { unsupported: KERNEL }],
  ['tcp_keepcnt', { unsupported: KERNEL, harmless: '0' }],
  ['tcp_keepintvl', { unsupported: KERNEL, harmless: '0' }],
  ['tcp_socket_buffer', { unsupported: KERNEL, harmless: '0' }],
  ['tcp_user_timeout', { unsupported: KERNEL, harmless: '0' }],
  ['track_extra_parameters', { unsupported: 'all are tracked', harmless: 'IntervalStyle' }],
  ['unix_socket_group', { unsupported: 'the socket has our own group', harmless: '' }],
  ['user', { unsupported: 'start it as that user', harmless: '' }],
])

/** Of an entry of [databases]; those of [users] are among them but for what follows. */
export const INI_DATABASE_KEYS: ReadonlyMap<string, { key: string; kind: IniKind }> = new Map([
  ['dbname', { key: 'dbname', kind: 'text' }],
  ['host', { key: 'host', kind: 'addresses' }],
  ['port', { key: 'port', kind: 'integer' }],
  ['user', { key: 'user', kind: 'text' }],
  ['password', { key: 'password', kind: 'text' }],
  ['auth_user', { key: 'auth_user', kind: 'text' }],
  ['auth_query', { key: 'auth_query', kind: 'text' }],
  ['auth_dbname', { key: 'auth_dbname', kind: 'text' }],
  ['pool_mode', { key: 'pool_mode', kind: 'word' }],
  ['pool_size', { key: 'pool_size', kind: 'integer' }],
  ['min_pool_size', { key: 'min_pool_size', kind: 'integer' }],
  ['reserve_pool', { key: 'reserve_pool_size', kind: 'integer' }],
  ['reserve_pool_size', { key: 'reserve_pool_size', kind: 'integer' }],
  ['max_db_connections', { key: 'max_db_connections', kind: 'integer' }],
  ['max_db_client_connections', { key: 'max_db_client_connections', kind: 'integer' }],
  ['query_wait_timeout', { key: 'query_wait_timeout_ms', kind: 'seconds' }],
  ['server_lifetime', { key: 'server_lifetime_ms', kind: 'seconds' }],
  ['load_balance_hosts', { key: 'load_balance_hosts', kind: 'word' }],
  ['connect_query', { key: 'connect_query', kind: 'text' }],
  ['client_encoding', { key: 'client_encoding', kind: 'text' }],
  ['datestyle', { key: 'datestyle', kind: 'text' }],
  ['timezone', { key: 'timezone', kind: 'text' }],
  ['application_name', { key: 'application_name', kind: 'text' }],
])

export const INI_USER_KEYS: ReadonlyMap<string, { key: string; kind: IniKind }> = new Map([
  ['pool_mode', { key: 'pool_mode', kind: 'word' }],
  ['pool_size', { key: 'pool_size', kind: 'integer' }],
  ['reserve_pool_size', { key: 'reserve_pool_size', kind: 'integer' }],
  ['max_user_connections', { key: 'max_user_connections', kind: 'integer' }],
  ['max_user_client_connections', { key: 'max_user_client_connections', kind: 'integer' }],
  ['query_timeout', { key: 'query_timeout_ms', kind: 'seconds' }],
  ['query_wait_timeout', { key: 'query_wait_timeout_ms', kind: 'seconds' }],
  ['transaction_timeout', { key: 'transaction_timeout_ms', kind: 'seconds' }],
  ['idle_transaction_timeout', { key: 'idle_transaction_timeout_ms', kind: 'seconds' }],
  ['client_idle_timeout', { key: 'client_idle_timeout_ms', kind: 'seconds' }],
])
