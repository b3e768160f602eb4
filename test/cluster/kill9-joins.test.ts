import pg from 'pg'
import t, { type Test } from 'tap'
import type { EmbeddedNode } from '../../lib/embedded/embedded-node.ts'
import { killServer } from '../support/kill-server.ts'
import { valueOn } from '../support/node-urls.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
/** Connection and server failures, true ones. */
const LOST = /^(08\d{3}|57P0[123])$/
const SETUP = `CREATE TABLE readers (id int PRIMARY KEY, pad text); CREATE TABLE books (isbn int PRIMARY KEY, reader int NOT NULL, pages int);
  SELECT create_distributed_table('readers', 'id', shard_count => 6);
  SELECT create_distributed_table('books', 'isbn', colocate_with => 'none', shard_count => 4);
  INSERT INTO readers SELECT g, repeat('x', g % 9) FROM generate_series(1, 600) g;
  INSERT INTO books SELECT g, (g * 31) % 700, g % 90 FROM generate_series(1, 900) g`
const WAYS = 'SET pgloom.broadcast_joins = never; SET pgloom.repartition_joins = always'
const JOIN =
  'SELECT count(*), sum(b.pages), max(r.pad) FROM readers r JOIN books b ON b.reader = r.id'
const DISTINCT = 'SELECT count(DISTINCT pages), count(*) FROM books'
/** Temporary tables, and transactions that wait for somebody who is gone. */
const LEFT = `SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r')
  + (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%')`

t.setTimeout(600_000)

/** All shards of the table there but the one whose estimate is asked: what reads them waits. */
async function holdShards({ host, port }: EmbeddedNode, table: string): Promise<pg.Client> {
  const client = new pg.Client({ host, port, user: 'postgres', database: 'app' })
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname ~ '^pgloom_[0-9]' AND c.relname = $1 AND c.relkind = 'r' ORDER BY substring(n.nspname from 8)::int OFFSET 1`,
    [table],
  )
  await client.query('BEGIN')
  await client.query(`LOCK TABLE ${rows.map(({ name }) => name).join()} IN ACCESS EXCLUSIVE MODE`)
  return client
}

const WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

t.test('kill -9 while rows are exchanged', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const [, first, second] = cluster.servers
  const workerUrls = cluster.nodeUrls.slice(1)
  if (first === undefined || second === undefined) throw new Error('no servers')
  let proxy = await cluster.startProxy()
  const main = await RawClient.connect(proxy.url)
  await main.run(SETUP)
  const right = (await main.run(JOIN)).results[0]?.rows
  const distinct = (await main.run(DISTINCT)).results[0]?.rows
  main.close()

  /** Runs until it waits on both workers, with all that it has made. */
  const waiting = async (table: string, sql: string) => {
    const holders = [await holdShards(first, table), await holdShards(second, table)]
    const client = await RawClient.connect(proxy.url)
    await client.run(`${WAYS}; SET pgloom.exchange_distinct_values = always`)
    const answer = client.simple(sql).catch((error: Error) => ({ error, results: [] }))
    for (const url of workerUrls) {
      await until('it waits', DEADLINE_MS, async () => (await valueOn(url, WAITERS)) !== '0')
    }
    const release = () => Promise.all(holders.map((one) => one.end().catch(() => undefined)))
    return { answer, client, release }
  }
  const nothingIsLeft = async (t: Test): Promise<void> => {
    for (const url of cluster.nodeUrls) {
      await until('nothing is left', DEADLINE_MS, async () => (await valueOn(url, LEFT)) === '0')
    }
    let client = await RawClient.connect(proxy.url)
    await until('it is answered again', DEADLINE_MS, async () => {
      client.close()
      client = await RawClient.connect(proxy.url)
      return (await client.simple(JOIN)).error === undefined
    })
    await client.run(`${WAYS}; SET pgloom.exchange_distinct_values = always`)
    t.same((await client.run(JOIN)).results[0]?.rows, right)
    t.same((await client.run(DISTINCT)).results[0]?.rows, distinct)
    client.close()
  }
  await t.test('of the proxy, while rows of a side are read', async (t) => {
    const { answer, client, release } = await waiting('books', JOIN)
    process.kill(proxy.pid, 'SIGKILL')
    t.ok((await answer).error, 'the connection is lost')
    client.close()
    await release()
    proxy = await cluster.startProxy()
    await nothingIsLeft(t)
  })

  const moments = [
    { name: 'while rows of both sides are joined', table: 'readers', sql: JOIN },
    { name: 'while DISTINCT values are read', table: 'books', sql: DISTINCT },
  ]
  for (const { name, table, sql } of moments) {
    await t.test(`of a worker, ${name}`, async (t) => {
      const { answer, client, release } = await waiting(table, sql)
      await killServer(second)
      // though the other worker goes on waiting: it is told to stop
      const error = (await answer).error as { sqlState?: string; message: string } | undefined
      t.match(error?.sqlState, LOST, error?.message ?? 'no error')
      t.equal((await client.simple('SELECT 1')).error, undefined, 'the session lives')
      client.close()
      await release()
      await second.start()
      await nothingIsLeft(t)
    })
  }
})
