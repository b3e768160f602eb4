import type { ProxyView } from './proxy-ports.ts'
import { type ShownTable, shownTable } from './shown-table.ts'
import { shownTime } from './shown-time.ts'

const MS_PER_SECOND = 1000

export const LISTS = shownTable({
  columns: { list: 'text', items: 'int4' },
  rows: async (proxy: ProxyView) => {
    const [clients, servers, logins] = await Promise.all([
      proxy.clients(),
      proxy.servers(),
      proxy.logins(),
    ])
    const pools = new Set(
      [...clients, ...servers].map(({ database, user }) => `${database}\0${user}`),
    )
    const connecting = logins.reduce((total, login) => total + login.connecting, 0)
    const items = {
      databases: proxy.databases().length,
      users: proxy.users().length,
      peers: 0,
      pools: pools.size,
      peer_pools: 0,
      free_clients: 0,
      used_clients: clients.length,
      login_clients: clients.filter(({ state }) => state === 'login').length,
      free_servers: 0,
      used_servers: servers.length + connecting,
      dns_names: 0,
      dns_zones: 0,
      dns_queries: 0,
      dns_pending: 0,
    }
    return Object.entries(items).map(([list, count]) => ({ list, items: count }))
  },
})

/** Of all processes together; what a row is made of differs from PgBouncer's slabs. */
export const MEM = shownTable({
  columns: { name: 'text', size: 'int4', used: 'int4', free: 'int4', memtotal: 'int4' },
  rows: async (proxy: ProxyView) =>
    (await proxy.memory()).map(({ name, size, used, free }) => ({
      name,
      size,
      used,
      free,
      memtotal: size * (used + free),
    })),
})

export const STATE = shownTable({
  columns: { key: 'text', value: 'text' },
  rows: async (proxy: ProxyView) => {
    const { mode } = await proxy.gates()
    return ['active', 'paused', 'suspended'].map((key) => ({
      key,
      value: key === mode ? 'yes' : 'no',
    }))
  },
})

export const VERSION = shownTable({
  columns: { version: 'text' },
  rows: (proxy: ProxyView) => [{ version: proxy.version }],
})

export const CONFIG = shownTable({
  columns: { key: 'text', value: 'text', default: 'text', changeable: 'text' },
  rows: (proxy: ProxyView) =>
    [...proxy.settings()]
      .sort((one, other) => (one.key < other.key ? -1 : 1))
      .map(({ key, value, default: usual, isChangeable }) => ({
        key,
        value,
        default: usual,
        changeable: isChangeable ? 'yes' : 'no',
      })),
})

export const PINS = shownTable({
  columns: {
    id: 'int4',
    database: 'text',
    user: 'text',
    node: 'text',
    reason: 'text',
    age: 'int4',
    state: 'text',
    since: 'text',
  },
  rows: async (proxy: ProxyView) => {
    const nowMs = Date.now()
    return (await proxy.clients()).flatMap(({ id, database, user, state, pins }) =>
      pins.map(({ node, reason, sinceMs }) => ({
        id,
        database,
        user,
        node,
        reason,
        age: Math.max(0, nowMs - sinceMs) / MS_PER_SECOND,
        state,
        since: shownTime(sinceMs),
      })),
    )
  },
})

export const PREPARED = shownTable({
  columns: { id: 'int4', database: 'text', user: 'text', name: 'text', query: 'text' },
  rows: async (proxy: ProxyView) =>
    (await proxy.prepared()).map(({ clientId, database, user, name, text }) => ({
      id: clientId,
      database,
      user,
      name,
      query: text,
    })),
})

/** We have no peers: processes of one proxy share their cancel keys. */
export const PEERS: ShownTable<ProxyView> = {
  columns: { peer_id: 'int4', host: 'text', port: 'int4', pool_size: 'int4' },
  rows: () => [],
}

export const PEER_POOLS: ShownTable<ProxyView> = {
  columns: {
    peer_id: 'int4',
    cl_active_cancel_req: 'int4',
    cl_waiting_cancel_req: 'int4',
    sv_active_cancel: 'int4',
    sv_login: 'int4',
  },
  rows: () => [],
}

/** Names are looked up by the operating system, at each connect: we keep none. */
export const DNS_HOSTS: ShownTable<ProxyView> = {
  columns: { hostname: 'text', ttl: 'int8', addrs: 'text' },
  rows: () => [],
}

export const DNS_ZONES: ShownTable<ProxyView> = {
  columns: { zonename: 'text', serial: 'int8', count: 'int4' },
  rows: () => [],
}
