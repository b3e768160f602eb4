import pg from 'pg'
import t from 'tap'
import { ServeCluster } from '../support/serve-cluster.ts'
import { noTotals, runTaggedClients } from '../support/tagged-clients.ts'
import { until } from '../support/until.ts'

const ROWS = 3000
const VALUES = 100
const CLIENTS = 8
const RUNS = 60
const DEADLINE_MS = 60_000

t.setTimeout(600_000)

type Client = pg.Client

async function open(url: string): Promise<Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

const find = (value: number, name = 'find'): pg.QueryConfig => ({
  name,
  text: 'SELECT k, v, note FROM spread WHERE v = $1; -- found by no key',
  values: [value],
})

function expected(value: number): string[] {
  const keys = Array.from({ length: ROWS }, (_, k) => k).filter((k) => k % VALUES === value)
  return keys.map((k) => `${k} ${value} note ${k}`).sort()
}

const shown = (result: pg.QueryResult): string[] =>
  result.rows.map(({ k, v, note }) => `${k} ${v} ${note}`).sort()

const failure = async (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'none',
    (error: { code?: string }) => error.code ?? String(error),
  )

t.test('prepared statements for all shards', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const { url } = await cluster.startProxy()
  const client = await open(url)
  t.teardown(() => client.end())
  await client.query('CREATE TABLE spread (k int PRIMARY KEY, v int, note text)')
  await client.query(`SELECT create_distributed_table('spread', 'k')`)
  await client.query(
    `INSERT INTO spread SELECT g, g % ${VALUES}, 'note ' || g FROM generate_series(0, ${ROWS - 1}) g`,
  )

  t.test('go with literals, errors, cancels and departures, too', async (t) => {
    const totals = noTotals()
    await runTaggedClients(url, CLIENTS, 1600, totals, 'all shards')
    t.same(totals.wrong, [])
    t.ok(totals.answered > 1200, 'most were answered')
  })

  t.test('answer each client with its own rows', async (t) => {
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => open(url)))
    const wrong: string[] = []
    await Promise.all(
      clients.map(async (one, number) => {
        for (let run = 0; run < RUNS; run++) {
          const value = (number * 13 + run * 7) % (VALUES + 1)
          const result = await one.query(find(value))
          const isSame = result.rowCount === result.rows.length
          if (!isSame || shown(result).join() !== expected(value).join()) wrong.push(`${value}`)
        }
      }),
    )
    t.same(wrong, [])
    await Promise.all(clients.map((one) => one.end()))
  })

  t.test('fail alone', async (t) => {
    const divide = (by: number) =>
      client.query({ name: 'divide', text: 'SELECT 100 / (k - $1) FROM spread', values: [by] })
    for (let run = 0; run < 6; run++) {
      t.equal((await divide(-1)).rows.length, ROWS)
      t.equal(await failure(divide(7)), '22012')
      t.same(shown(await client.query(find(run))), expected(run))
    }
  })

  t.test('say what is wrong with their values', async (t) => {
    for (let run = 0; run < 6; run++) {
      t.same(shown(await client.query(find(run))), expected(run))
      t.equal(await failure(client.query({ ...find(1), values: ['one'] })), '22P02')
    }
  })

  t.test('are cancelled when their client has gone', async (t) => {
    const leaver = await open(url)
    for (let run = 0; run < 6; run++) {
      t.same(shown(await leaver.query(find(run))), expected(run))
    }
    const [, node = ''] = cluster.nodeUrls
    const locker = await open(node)
    const watcher = await open(node)
    const waiting = async (): Promise<boolean> => {
      const { rows } = await watcher.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
      )
      return rows.length > 0
    }
    const { rows } = await locker.query(
      `SELECT min(schemaname) AS schema FROM pg_tables WHERE tablename = 'spread' AND schemaname LIKE 'pgloom%'`,
    )
    await locker.query(`BEGIN; LOCK TABLE "${rows[0]?.schema}".spread`)
    const running = failure(leaver.query(find(3)))
    await until('a waiting statement', DEADLINE_MS, waiting)
    await leaver.end()
    t.not(await running, 'none')
    await until('no waiting statement', DEADLINE_MS, async () => !(await waiting()))
    await Promise.all([locker.end(), watcher.end()])
    t.same(shown(await client.query(find(3))), expected(3))
  })

  t.test('see the writes of their transaction, and what DDL has changed', async (t) => {
    await client.query('BEGIN')
    await client.query(`INSERT INTO spread VALUES (${ROWS}, 5, 'new')`)
    for (let run = 0; run < 4; run++) {
      t.equal((await client.query(find(5))).rows.length, ROWS / VALUES + 1)
    }
    await client.query('ROLLBACK')
    t.same(shown(await client.query(find(5))), expected(5))
    await client.query('ALTER TABLE spread ADD COLUMN more int')
    t.same(shown(await client.query(find(5))), expected(5))
    await client.query('ALTER TABLE spread DROP COLUMN more')
    for (let run = 0; run < 4; run++) {
      t.same(shown(await client.query(find(run))), expected(run))
    }
  })
})
