import { setImmediate } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { EmbeddedNode } from '../../lib/embedded/embedded-node.ts'
import { killServer } from '../support/kill-server.ts'
import { untilNothingPrepared } from '../support/node-urls.ts'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const ROWS = 400
const TRANSFERRERS = 6
const DEADLINE_MS = 60_000
/** Connection and server failures, true ones: class 08, an administrator's command, a crash, a start under way. */
const LOST = /^(08\d{3}|57P0[123])$/
const WRITES = /UPDATE|DELETE|INSERT/
const TOTAL = `SELECT count(*) || '/' || sum(v) FROM counted`

t.setTimeout(600_000)

async function superuser(node: EmbeddedNode): Promise<pg.Client> {
  const { host, port } = node
  const client = new pg.Client({ host, port, user: 'postgres', database: 'app' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** Whatever reads or writes a shard on the node waits from now on. */
async function holdShards(node: EmbeddedNode): Promise<pg.Client> {
  const client = await superuser(node)
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname ~ '^pgloom_[0-9]' AND c.relname = 'counted' AND c.relkind = 'r'`,
  )
  await client.query('BEGIN')
  await client.query(`LOCK TABLE ${rows.map(({ name }) => name).join()} IN ACCESS EXCLUSIVE MODE`)
  return client
}

async function waitersOn(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()",
  )
  return rows[0]?.n ?? 0
}

const STATEMENTS: readonly string[] = [
  'SELECT v % 3, count(*) FROM counted GROUP BY 1 ORDER BY 1',
  'SELECT k, v FROM counted',
  'SELECT k, v FROM counted ORDER BY v DESC LIMIT 5',
  'SELECT count(DISTINCT v) FROM counted',
  'COPY counted TO STDOUT',
  'COPY (SELECT v, count(*) FROM counted GROUP BY v) TO STDOUT',
  'SELECT a.k FROM counted a JOIN counted b ON a.v = b.v + 1',
  'UPDATE counted SET v = v + 1000',
  'INSERT INTO counted SELECT g, 1000 FROM generate_series(1001, 1100) g',
  ...Array.from({ length: 12 }, (_, k) => `SELECT v FROM counted WHERE k = ${k + 1}`),
  ...Array.from({ length: 6 }, (_, k) => `BEGIN; SELECT v FROM counted WHERE k = ${k + 1}; COMMIT`),
]

t.test('kill -9 of a whole server', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const proxy = await cluster.startProxy()
  const [coordinator, worker] = cluster.servers
  if (coordinator === undefined || worker === undefined) throw new Error('no servers')
  const main = await RawClient.connect(proxy.url)
  await main.run(`CREATE TABLE counted (k int PRIMARY KEY, v int); SELECT create_distributed_table('counted', 'k', shard_count => 8);
    INSERT INTO counted SELECT g, g FROM generate_series(1, ${ROWS}) g`)
  const total = await main.value(TOTAL)
  main.close()

  for (const victim of [worker, coordinator]) {
    const name = victim === worker ? 'a worker' : 'the coordinator'
    t.test(`${name}, while statements wait on a worker`, async (t) => {
      const expected = await rightAnswers(proxy.url)
      const holder = await holdShards(worker)
      const watcher = await superuser(worker)
      const clients = await Promise.all(STATEMENTS.map(() => RawClient.connect(proxy.url)))
      const answers = clients.map((client, index) => client.simple(STATEMENTS[index] ?? ''))
      const copying = await RawClient.connect(proxy.url)
      const copied = copying.simple('COPY counted FROM STDIN')
      copying.send(copyData('2000\t1\n2001\t1\n'))
      await until('statements wait', DEADLINE_MS, async () => (await waitersOn(watcher)) >= 8)
      await killServer(victim)
      if (victim !== worker) await holder.query('ROLLBACK')
      copying.send(copyData('2002\t1\n'))
      copying.send(Buffer.from('c\0\0\0\x04', 'latin1'))
      const ends = await Promise.all(answers)
      for (const [index, sql] of STATEMENTS.entries()) check(t, sql, ends[index], expected)
      t.match((await copied).error?.sqlState, LOST, 'COPY FROM')
      for (const client of [...clients, copying]) client.close()
      for (const client of [holder, watcher]) await client.end().catch(() => undefined)
      await works(t, cluster, proxy.url, victim, total)
    })

    t.test(`${name}, during a COPY of many rows`, async (t) => {
      const copying = await RawClient.connect(proxy.url)
      const state = { pieces: 0, isOver: false }
      const copied = copying.copyIn('COPY counted FROM STDIN', manyRows(state))
      await until('rows are on their way', DEADLINE_MS, async () => state.pieces > 40)
      await killServer(victim)
      state.isOver = true
      t.match((await copied).error?.sqlState, LOST)
      copying.close()
      await works(t, cluster, proxy.url, victim, total)
    })

    t.test(`${name}, under transfers`, async (t) => {
      const load = new Transfers(proxy.url)
      await until('transfers', DEADLINE_MS, async () => load.accepted > 60)
      await killServer(victim)
      for (const state of await load.ended()) t.match(state, LOST, 'a transfer')
      await works(t, cluster, proxy.url, victim, total)
    })
  }
})

async function rightAnswers(url: string): Promise<ReadonlyMap<string, unknown>> {
  const client = await RawClient.connect(url)
  const answers = new Map<string, unknown>()
  for (const sql of STATEMENTS) {
    if (!WRITES.test(sql)) answers.set(sql, sorted((await client.run(sql)).results))
  }
  client.close()
  return answers
}

/** An error that tells the truth, or all of the answer. */
function check(
  t: Test,
  sql: string,
  answer: Answer | undefined,
  expected: ReadonlyMap<string, unknown>,
): void {
  const { error, results } = answer ?? {}
  if (error !== undefined) t.match(error.sqlState, LOST, `${sql}: ${error.message}`)
  else t.same(sorted(results), expected.get(sql), sql)
}

/** Once the server is back. */
async function works(
  t: Test,
  cluster: ServeCluster,
  url: string,
  node: EmbeddedNode,
  total: string | null,
): Promise<void> {
  await node.start()
  await until('the proxy answers again', DEADLINE_MS, async () => {
    const client = await RawClient.connect(url).catch(() => undefined)
    const answer = await client?.simple(TOTAL).catch(() => undefined)
    client?.close()
    return answer !== undefined && answer.error === undefined
  })
  await untilNothingPrepared(cluster.nodeUrls, DEADLINE_MS)
  const client = await RawClient.connect(url)
  t.equal(await client.value(TOTAL), total, 'nothing was written by halves')
  t.equal((await client.run('UPDATE counted SET v = v')).results[0]?.tag, `UPDATE ${ROWS}`)
  client.close()
}

/** Clients that move amounts between two rows, mostly of two nodes, until each has met an error. */
class Transfers {
  accepted = 0
  readonly #clients: readonly Promise<string>[]

  constructor(url: string) {
    this.#clients = Array.from({ length: TRANSFERRERS }, (_, index) => this.#run(url, index))
  }

  ended(): Promise<readonly string[]> {
    return Promise.all(this.#clients)
  }

  async #run(url: string, index: number): Promise<string> {
    const client = await RawClient.connect(url)
    for (let number = 0; ; number++) {
      // in ascending order: two transfers never wait for each other in a circle
      const low = 1 + ((index * 61 + number * 7) % (ROWS - 50))
      const high = low + 1 + (number % 49)
      const { error } = await client.simple(
        `BEGIN; UPDATE counted SET v = v - 1 WHERE k = ${low}; UPDATE counted SET v = v + 1 WHERE k = ${high}; COMMIT`,
      )
      this.accepted++
      if (error === undefined) continue
      client.close()
      return error.sqlState
    }
  }
}

/** Of all shards, until it is over. */
async function* manyRows(state: { pieces: number; isOver: boolean }): AsyncIterable<Buffer> {
  for (let from = 10_000; !state.isOver; from += 5000) {
    const rows = Array.from({ length: 5000 }, (_, index) => `${from + index}\t1\n`)
    yield Buffer.from(rows.join(''))
    state.pieces++
    await setImmediate()
  }
}

function copyData(rows: string): Buffer {
  const frame = Buffer.alloc(5 + rows.length)
  frame.write('d')
  frame.writeInt32BE(4 + rows.length, 1)
  frame.write(rows, 5)
  return frame
}

function sorted(results: unknown): unknown {
  return JSON.parse(JSON.stringify(results), (key, value) =>
    key === 'rows' && Array.isArray(value) ? value.map(String).sort() : value,
  )
}
