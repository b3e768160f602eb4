import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

type Samples = ReadonlyMap<string, number>

async function scrape(httpUrl: string): Promise<Samples> {
  const page = await (await fetch(`${httpUrl}/metrics`)).text()
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}

t.test('a proxy counts what it does', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const httpUrl = cluster.process.httpUrl ?? ''
  const client = await RawClient.connect(cluster.url)
  t.teardown(() => client.close())
  await client.run(`CREATE TABLE events (k int, v int); SELECT create_distributed_table('events', 'k');
    CREATE TABLE kinds (k int); SELECT create_reference_table('kinds')`)

  /** What `work` adds to each of the named samples. */
  async function added(names: readonly string[], work: () => Promise<unknown>) {
    const before = await scrape(httpUrl)
    await work()
    const after = await scrape(httpUrl)
    return names.map((name) => (after.get(name) ?? 0) - (before.get(name) ?? 0))
  }

  const TIERS = ['local', 'router', 'scatter', 'combine', 'reference', 'command']
  const QUERIES = TIERS.map((tier) => `pgloom_queries_total{tier="${tier}"}`)
  const LATENCIES = TIERS.map((tier) => `pgloom_query_duration_seconds_count{tier="${tier}"}`)

  for (const [sql, ...counts] of [
    ['SELECT 1', 1, 0, 0, 0, 0, 0],
    ['SELECT 1; SELECT 2', 2, 0, 0, 0, 0, 0],
    ['SELECT * FROM events WHERE k = 1', 0, 1, 0, 0, 0, 0],
    ['INSERT INTO events VALUES (1, 1)', 0, 1, 0, 0, 0, 0],
    ['SELECT * FROM events', 0, 0, 1, 0, 0, 0],
    ['SELECT count(*) FROM events', 0, 0, 0, 1, 0, 0],
    ['UPDATE events SET v = 2', 0, 0, 1, 0, 0, 0],
    ['INSERT INTO kinds VALUES (1)', 0, 0, 0, 0, 1, 0],
    ['SHOW citus.shard_count', 0, 0, 0, 0, 0, 1],
    ['BEGIN; SELECT * FROM events WHERE k = 1; COMMIT', 0, 1, 0, 0, 0, 2],
  ] as const) {
    const name = String(sql)
    t.same(await added(QUERIES, () => client.run(name)), counts, name)
  }

  t.test('in the extended protocol too', async (t) => {
    const extended = (sql: string, ...values: string[]) => client.extended(sql, values, 'text')
    const routed = () => extended('SELECT * FROM events WHERE k = $1', '1')
    t.same(await added(LATENCIES, routed), [0, 1, 0, 0, 0, 0])
    t.same(await added(LATENCIES, () => extended('SELECT $1::int', '1')), [1, 0, 0, 0, 0, 0])
    const gathered = () => extended('SELECT count(*) FROM events WHERE v > $1', '0')
    t.same(await added(LATENCIES, gathered), [0, 0, 0, 1, 0, 0])
    await client.run('PREPARE p AS SELECT * FROM events WHERE k = $1')
    t.same(await added(LATENCIES, () => client.run('EXECUTE p (1)')), [0, 1, 0, 0, 0, 0])
  })

  t.test('errors by class, and not as queries', async (t) => {
    const classes = ['42', '0A', '22'].map((code) => `pgloom_errors_total{class="${code}"}`)
    const fail = async () => {
      await client.simple('SELECT * FROM nowhere')
      await client.simple('SELECT 1/0')
      await client.extended('SELECT 1/(k - 1) FROM events WHERE k = $1', ['1'], 'text')
      await client.simple(`DELETE FROM events WHERE ctid = '(0,1)'`)
    }
    t.same(await added(classes, fail), [1, 1, 2])
    t.same(await added(QUERIES, fail), [0, 0, 0, 0, 0, 0])
  })

  t.test('clients, server connections, pins and the event loop', async (t) => {
    await client.run('SELECT pg_advisory_lock(1)')
    const samples = await scrape(httpUrl)
    t.equal(samples.get('pgloom_clients'), 1)
    t.equal(samples.get('pgloom_pins{reason="advisory lock"}'), 1)
    t.ok(Number(samples.get('nodejs_eventloop_lag_p99_seconds')) >= 0)
    const connections = [...samples].filter(([name]) =>
      name.startsWith('pgloom_server_connections'),
    )
    t.equal(connections.filter(([name, value]) => name.includes('"busy"') && value === 1).length, 1)
    t.equal(connections.length, 9, 'three nodes, three states')
    t.equal([...samples.keys()].filter((name) => name.startsWith('pgloom_pool_waiting')).length, 3)
  })
})
