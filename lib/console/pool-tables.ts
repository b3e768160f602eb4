import type { ProxyView } from './proxy-ports.ts'
import type { ClientReport, DatabaseReport, ServerReport, UserReport } from './reports.ts'
import { shownTable } from './shown-table.ts'

/** PgBouncer's pool of its own console. */
const CONSOLE = 'pgbouncer'
const MICROS_PER_SECOND = 1_000_000

/** A pool is, as in PgBouncer, what one user has of one database: on all nodes together. */
export const POOLS = shownTable({
  columns: {
    database: 'text',
    user: 'text',
    cl_active: 'int4',
    cl_waiting: 'int4',
    cl_active_cancel_req: 'int4',
    cl_waiting_cancel_req: 'int4',
    sv_active: 'int4',
    sv_active_cancel: 'int4',
    sv_being_canceled: 'int4',
    sv_idle: 'int4',
    sv_used: 'int4',
    sv_tested: 'int4',
    sv_login: 'int4',
    maxwait: 'int4',
    maxwait_us: 'int4',
    pool_mode: 'text',
    load_balance_hosts: 'text',
    cl_pinned: 'int4',
  },
  rows: async (proxy: ProxyView) => {
    const [clients, servers, logins] = await Promise.all([
      proxy.clients(),
      proxy.servers(),
      proxy.logins(),
    ])
    return poolKeys([...clients, ...servers, ...logins]).map(({ database, user }) => {
      const isOwn = (one: { readonly database: string; readonly user: string }) =>
        one.database === database && one.user === user
      return {
        database,
        user,
        ...clientCounts(clients.filter(isOwn)),
        ...serverCounts(servers.filter(isOwn)),
        sv_login: sum(logins.filter(isOwn).map(({ connecting }) => connecting)),
        pool_mode: poolModeOf(proxy, database, user),
        load_balance_hosts: databaseOf(proxy.databases(), database)?.loadBalanceHosts ?? null,
      }
    })
  },
})

export const DATABASES = shownTable({
  columns: {
    name: 'text',
    host: 'text',
    port: 'int4',
    database: 'text',
    force_user: 'text',
    pool_size: 'int4',
    min_pool_size: 'int4',
    reserve_pool_size: 'int4',
    server_lifetime: 'int4',
    pool_mode: 'text',
    load_balance_hosts: 'text',
    max_connections: 'int4',
    current_connections: 'int4',
    max_client_connections: 'int4',
    current_client_connections: 'int4',
    paused: 'int4',
    disabled: 'int4',
    sharded: 'int4',
  },
  rows: async (proxy: ProxyView) => {
    const [clients, servers, gates, traffic] = await Promise.all([
      proxy.clients(),
      proxy.servers(),
      proxy.gates(),
      proxy.traffic(),
    ])
    const used = traffic.filter(({ total }) => total.clientLogins > 0)
    return databasesSeen(proxy.databases(), [...clients, ...servers, ...used]).map((database) => {
      const isOwn = (one: { readonly database: string }) => one.database === database.name
      return {
        name: database.name,
        host: database.host,
        port: database.port,
        database: database.serverDatabase,
        force_user: database.forcedUser,
        pool_size: database.poolSize,
        min_pool_size: database.minPoolSize,
        reserve_pool_size: database.reservePoolSize,
        server_lifetime: database.serverLifetimeSeconds,
        pool_mode: database.poolMode,
        load_balance_hosts: database.loadBalanceHosts,
        max_connections: database.maxConnections,
        current_connections: servers.filter(isOwn).length,
        max_client_connections: database.maxClientConnections,
        current_client_connections: clients.filter(isOwn).length,
        paused: gates.paused.includes(database.name) ? 1 : 0,
        disabled: gates.disabled.includes(database.name) ? 1 : 0,
        sharded: database.isSharded ? 1 : 0,
      }
    })
  },
})

/** In order of their names; those that `*` stands for take its place. */
function databasesSeen(
  configured: readonly DatabaseReport[],
  here: readonly { readonly database: string }[],
): readonly DatabaseReport[] {
  const known = configured.filter(({ name }) => name !== '*')
  const fallback = configured.find(({ name }) => name === '*')
  const names = new Set(here.map(({ database }) => database).filter((name) => name !== ''))
  for (const { name } of [...known, { name: 'pgloom' }]) names.delete(name)
  const automatic = [...(fallback === undefined ? [] : names)].map((name) => {
    const { serverDatabase } = fallback as DatabaseReport
    const own = serverDatabase === '*' ? name : serverDatabase
    return { ...(fallback as DatabaseReport), name, serverDatabase: own }
  })
  return [...known, ...automatic].sort((one, other) => (one.name < other.name ? -1 : 1))
}

const NOBODY_SPECIAL: Omit<UserReport, 'name'> = {
  poolSize: null,
  reservePoolSize: null,
  poolMode: null,
  maxConnections: 0,
  maxClientConnections: 0,
}

export const USERS = shownTable({
  columns: {
    name: 'text',
    pool_size: 'text',
    reserve_pool_size: 'text',
    pool_mode: 'text',
    max_user_connections: 'int4',
    current_connections: 'int4',
    max_user_client_connections: 'int4',
    current_client_connections: 'int4',
  },
  rows: async (proxy: ProxyView) => {
    const [clients, servers] = await Promise.all([proxy.clients(), proxy.servers()])
    return usersSeen(proxy.users(), [...clients, ...servers]).map((user) => ({
      name: user.name,
      pool_size: ownSize(user.poolSize),
      reserve_pool_size: ownSize(user.reservePoolSize),
      pool_mode: user.poolMode,
      max_user_connections: user.maxConnections,
      current_connections: servers.filter((one) => one.user === user.name).length,
      max_user_client_connections: user.maxClientConnections,
      current_client_connections: clients.filter((one) => one.user === user.name).length,
    }))
  },
})

/** Those of the configuration, and whoever else is here. */
function usersSeen(
  configured: readonly UserReport[],
  here: readonly { readonly user: string }[],
): readonly UserReport[] {
  const names = new Set(here.map(({ user }) => user).filter((user) => user !== ''))
  for (const { name } of configured) names.delete(name)
  const others = [...names].map((name) => ({ ...NOBODY_SPECIAL, name }))
  return [...configured, ...others].sort((one, other) => (one.name < other.name ? -1 : 1))
}

function clientCounts(clients: readonly ClientReport[]) {
  const waiting = clients.filter(({ state }) => state === 'waiting')
  const waitMicros = Math.max(0, ...waiting.map((client) => client.waitMicros))
  return {
    // those that want nothing count as active, as in PgBouncer
    cl_active: clients.length - waiting.length,
    cl_waiting: waiting.length,
    cl_active_cancel_req: 0,
    cl_waiting_cancel_req: 0,
    maxwait: waitMicros / MICROS_PER_SECOND,
    maxwait_us: waitMicros % MICROS_PER_SECOND,
    cl_pinned: clients.filter(({ pins }) => pins.length > 0).length,
  }
}

function serverCounts(servers: readonly ServerReport[]) {
  const inState = (wanted: string) => servers.filter(({ state }) => state === wanted).length
  return {
    sv_active: inState('active'),
    sv_active_cancel: 0,
    sv_being_canceled: inState('being_canceled'),
    sv_idle: inState('idle'),
    sv_used: inState('used'),
    sv_tested: inState('tested'),
  }
}

type PoolKey = { readonly database: string; readonly user: string }

function poolKeys(reports: readonly PoolKey[]): PoolKey[] {
  const keys = new Map<string, PoolKey>()
  for (const { database, user } of reports) {
    if (user !== '') keys.set(`${database}\0${user}`, { database, user })
  }
  return [...keys].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, key]) => key)
}

/** The user's own comes before the database's. */
function poolModeOf(proxy: ProxyView, database: string, user: string): string {
  if (database === CONSOLE) return 'statement'
  const own = proxy.users().find(({ name }: UserReport) => name === user)?.poolMode
  return own ?? databaseOf(proxy.databases(), database)?.poolMode ?? proxy.poolMode
}

function databaseOf(databases: readonly DatabaseReport[], name: string) {
  return databases.find((one) => one.name === name) ?? databases.find((one) => one.name === '*')
}

/** PgBouncer pads it to nine places, and leaves it empty where there is none. */
function ownSize(size: number | null): string {
  return size === null ? '' : String(size).padStart(9)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
