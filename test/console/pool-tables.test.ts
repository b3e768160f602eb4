import t from 'tap'
import type { ProxyView } from '../../lib/console/proxy-ports.ts'
import type { DatabaseReport } from '../../lib/console/reports.ts'
import { tableOf } from '../../lib/console/show-commands.ts'

const ENTRY: DatabaseReport = {
  name: 'app',
  host: 'h',
  port: 5432,
  serverDatabase: 'app',
  forcedUser: null,
  poolSize: 20,
  minPoolSize: 0,
  reservePoolSize: 0,
  serverLifetimeSeconds: 3600,
  poolMode: null,
  loadBalanceHosts: null,
  maxConnections: 0,
  maxClientConnections: 0,
  isSharded: false,
}

async function shown(databases: readonly DatabaseReport[], clientsAt: readonly string[]) {
  const view = {
    databases: () => databases,
    clients: async () => clientsAt.map((database) => ({ database })),
    servers: async () => [],
    traffic: async () => [
      { database: 'past', total: { clientLogins: 3 } },
      { database: 'never', total: { clientLogins: 0 } },
    ],
    gates: async () => ({ mode: 'active', paused: [], disabled: ['shop'] }),
  } as unknown as ProxyView
  const rows = (await tableOf('databases')?.rows(view)) ?? []
  return rows.map((row) => [row['name'], row['database'], row['current_client_connections']])
}

t.test('SHOW DATABASES has those that * stands for, once they were used', async (t) => {
  const own = [ENTRY, { ...ENTRY, name: 'pgbouncer', serverDatabase: 'pgbouncer' }]
  const seen = ['shop', 'app', 'shop', 'pgbouncer', 'pgloom', '']
  const fallback = { ...ENTRY, name: '*', serverDatabase: '*' }
  t.same(await shown([...own, fallback], seen), [
    ['app', 'app', 1],
    ['past', 'past', 0],
    ['pgbouncer', 'pgbouncer', 1],
    ['shop', 'shop', 2],
  ])
  t.same(
    (await shown([...own, { ...fallback, serverDatabase: 'all' }], ['shop'])).at(-1),
    ['shop', 'all', 1],
    'with a dbname of its own',
  )
  t.same(
    (await shown(own, seen)).map(([name]) => name),
    ['app', 'pgbouncer'],
    'removed ones are gone',
  )
})
