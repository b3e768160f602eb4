import type { Config, ConfigDatabase } from '../config/config.ts'
import { isReadAtStart } from '../config/config-changes.ts'
import { completeConfig } from '../config/config-loader.ts'
import { INI_KEYS, type IniKind } from '../config/ini-keys.ts'
import type { ConsoleSettings } from '../console/all-processes.ts'
import type { DatabaseReport, SettingReport, UserReport } from '../console/reports.ts'

const MS_PER_SECOND = 1000

/** Ours, without a name of PgBouncer's. */
const OWN: ReadonlyMap<string, IniKind> = new Map([
  ['http.host', 'text'],
  ['http.port', 'integer'],
  ['metadata_user', 'text'],
  ['pool.pipeline', 'text'],
  ['processes', 'text'],
  ['shutdown_timeout_ms', 'integer'],
])

/** The configuration as the console shows it: PgBouncer's names and units. Passwords and secrets are never among it. */
export class ShownConfig implements ConsoleSettings {
  readonly #config: () => Config
  readonly #usual = completeConfig({ databases: [{ name: 'any', host: 'localhost' }] })

  constructor(config: () => Config) {
    this.#config = config
  }

  get poolMode(): string {
    return this.#config().pool.pool_mode
  }

  databases(): DatabaseReport[] {
    const config = this.#config()
    return [consoleReport(config), ...config.databases.map((one) => databaseReport(one, config))]
  }

  users(): UserReport[] {
    const { users, pool } = this.#config()
    return users.map((user) => ({
      name: user.name,
      poolSize: user.pool_size ?? null,
      reservePoolSize: user.reserve_pool_size ?? null,
      poolMode: user.pool_mode ?? null,
      maxConnections: user.max_user_connections ?? pool.max_user_connections,
      maxClientConnections: user.max_user_client_connections ?? pool.max_user_client_connections,
    }))
  }

  settings(): SettingReport[] {
    const known = [...INI_KEYS].flatMap(([key, known]) =>
      'path' in known ? [{ key, ...known }] : [],
    )
    const own = [...OWN].map(([path, kind]) => ({ key: shownKey(path), path, kind }))
    return [...known, ...own].map(({ key, path, kind }) => ({
      key,
      value: shownValue(valueAt(this.#config(), path), kind),
      default: shownValue(valueAt(this.#usual, path), kind),
      isChangeable: !isReadAtStart(path),
    }))
  }
}

function shownKey(path: string): string {
  return path.replace(/^pool\./, '').replaceAll('.', '_')
}

/** PgBouncer shows its console among the databases. */
function consoleReport({ listen }: Config): DatabaseReport {
  return {
    name: 'pgbouncer',
    host: null,
    port: listen.port,
    serverDatabase: 'pgbouncer',
    forcedUser: 'pgbouncer',
    poolSize: 2,
    minPoolSize: 0,
    reservePoolSize: 0,
    serverLifetimeSeconds: 3600,
    poolMode: 'statement',
    loadBalanceHosts: null,
    maxConnections: 0,
    maxClientConnections: 0,
    isSharded: false,
  }
}

function databaseReport(database: ConfigDatabase, { pool }: Config): DatabaseReport {
  const { hosts, server_lifetime_ms: lifetimeMs = pool.server_lifetime_ms } = database
  return {
    name: database.name,
    host: hosts.join(','),
    port: database.port,
    serverDatabase: database.dbname ?? database.name,
    forcedUser: database.user ?? null,
    poolSize: database.pool_size ?? pool.default_pool_size,
    minPoolSize: database.min_pool_size ?? pool.min_pool_size,
    reservePoolSize: database.reserve_pool_size ?? pool.reserve_pool_size,
    serverLifetimeSeconds: lifetimeMs / MS_PER_SECOND,
    poolMode: database.pool_mode ?? null,
    loadBalanceHosts: hosts.length > 1 ? database.load_balance_hosts : null,
    maxConnections: database.max_db_connections ?? pool.max_db_connections,
    maxClientConnections: database.max_db_client_connections ?? pool.max_db_client_connections,
    isSharded: database.sharded,
  }
}

function valueAt(config: Config, path: string): unknown {
  // a list of addresses, whichever way it was written
  const keys = path === 'listen.host' ? ['listen', 'hosts'] : path.split('.')
  return keys.reduce<unknown>((value, key) => {
    return (value as Readonly<Record<string, unknown>> | undefined)?.[key]
  }, config)
}

function shownValue(value: unknown, kind: IniKind): string {
  if (value === undefined) return ''
  switch (kind) {
    case 'flag':
      return value === true ? '1' : '0'
    case 'seconds':
      return String(Number(value) / MS_PER_SECOND)
    case 'verbosity':
      return value === 'debug' ? '1' : '0'
    default:
      return Array.isArray(value) ? value.join(',') : String(value)
  }
}
