import t from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { consoleWorld } from './console-world.ts'

t.setTimeout(600_000)

/** What pgbouncer_exporter of Prometheus' community asks, and reads: label columns and numbers. */
const QUERIES: Readonly<Record<string, { labels: readonly string[]; numbers: readonly string[] }>> =
  {
    'SHOW STATS;': {
      labels: ['database'],
      numbers: [
        'total_server_assignment_count',
        'total_xact_count',
        'total_query_count',
        'total_received',
        'total_sent',
        'total_xact_time',
        'total_query_time',
        'total_wait_time',
        'total_client_parse_count',
        'total_server_parse_count',
        'total_bind_count',
      ],
    },
    'SHOW STATS_TOTALS;': {
      labels: ['database'],
      numbers: [
        'query_count',
        'query_time',
        'bytes_received',
        'bytes_sent',
        'wait_time',
        'xact_count',
        'xact_time',
        'client_parse_count',
        'server_parse_count',
        'bind_count',
      ],
    },
    'SHOW POOLS;': {
      labels: ['database', 'user'],
      numbers: [
        'cl_active',
        'cl_waiting',
        'cl_active_cancel_req',
        'cl_waiting_cancel_req',
        'sv_active',
        'sv_active_cancel',
        'sv_being_canceled',
        'sv_idle',
        'sv_used',
        'sv_tested',
        'sv_login',
        'maxwait',
        'maxwait_us',
      ],
    },
    'SHOW DATABASES;': {
      labels: ['name', 'host', 'port', 'database', 'force_user', 'pool_mode'],
      numbers: [
        'pool_size',
        'min_pool_size',
        'reserve_pool_size',
        'max_connections',
        'current_connections',
        'max_client_connections',
        'current_client_connections',
        'paused',
        'disabled',
      ],
    },
    'SHOW LISTS;': { labels: ['list'], numbers: ['items'] },
    'SHOW CONFIG;': { labels: ['key', 'value'], numbers: [] },
  }
const LISTS = ['databases', 'users', 'pools', 'free_clients', 'used_clients', 'login_clients']
const MORE_LISTS = ['free_servers', 'used_servers', 'dns_names', 'dns_zones', 'dns_queries']
const CONFIG = ['max_client_conn', 'max_user_connections', 'listen_port', 'default_pool_size']

/** As lib/pq, the exporter's driver, begins each connection. */
const LIB_PQ = { extra_float_digits: '2', client_encoding: 'UTF8', datestyle: 'ISO, MDY' }

t.test('an exporter finds what it reads', async (t) => {
  const world = await consoleWorld(t)
  const app = await world.client('app', 'app')
  await app.query('SELECT 1')
  const exporter = await RawClient.connect(world.url('watcher', 'pgbouncer'), LIB_PQ)
  t.teardown(() => exporter.close())
  t.equal((await exporter.simple(';')).error, undefined, 'a ping')
  t.match(await exporter.value('SHOW VERSION;'), /^PgBouncer \d+\.\d+\.\d+\b/)
  const tables = new Map<string, Record<string, string | null>[]>()
  for (const [text, { labels, numbers }] of Object.entries(QUERIES)) {
    const { results, error } = await exporter.simple(text)
    t.equal(error, undefined, text)
    const [result] = results
    const names = result?.fields?.map(({ name }) => name) ?? []
    const rows = result?.rows.map((row) => Object.fromEntries(row.map((v, i) => [names[i], v])))
    for (const label of labels) t.ok(names.includes(label), `${text} ${label}`)
    for (const number of numbers) {
      t.ok(
        rows?.every((row) => /^\d+$/.test(row[number] ?? '')),
        `${text} ${number}`,
      )
    }
    tables.set(text, rows ?? [])
  }
  const keysOf = (text: string, column: string) => tables.get(text)?.map((row) => row[column]) ?? []
  for (const list of [...LISTS, ...MORE_LISTS]) t.ok(keysOf('SHOW LISTS;', 'list').includes(list))
  for (const key of CONFIG) {
    const row = tables.get('SHOW CONFIG;')?.find((one) => one['key'] === key)
    t.match(row?.['value'], /^\d+$/, key)
  }
  const stats = tables.get('SHOW STATS;')?.find(({ database }) => database === 'app')
  t.ok(Number(stats?.['total_query_count']) >= 1)

  await t.test('or needs not be there: /metrics has its names', async (t) => {
    const page = await (await fetch(`${world.proxy.httpUrl}/metrics`)).text()
    const metric = (name: string) => {
      const line = page.split('\n').find((one) => one.startsWith(`${name} `))
      return Number(line?.slice(name.length + 1))
    }
    const label = '{database="app"}'
    t.equal(metric(`pgbouncer_stats_queries_pooled_total${label}`), 1)
    const seconds = metric(`pgbouncer_stats_queries_duration_seconds_total${label}`)
    const micros = Number(stats?.['total_query_time'])
    t.ok(Math.abs(seconds * 1e6 - micros) <= 1, 'the same time as SHOW STATS has')
    const pool = '{database="app",user="app"}'
    t.equal(metric(`pgbouncer_pools_client_active_connections${pool}`), 1)
    t.equal(metric(`pgbouncer_pools_client_waiting_connections${pool}`), 0)
    t.equal(metric(`pgbouncer_pools_client_maxwait_seconds${pool}`), 0)
  })
})
