import t, { type Test } from 'tap'
import { valueOn } from '../support/node-urls.ts'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
/** A deadlock that nobody finds must end the test, not hang it. */
const SETTINGS = "SET statement_timeout = '300s'"
const WAITING = 'SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted'

t.setTimeout(600_000)

t.test('locks over several nodes', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const proxies = [await cluster.startProxy(), await cluster.startProxy()] as const
  const setup = await RawClient.connect(proxies[0].url)
  await setup.run(`CREATE TABLE locked (k int PRIMARY KEY, v int);
    SELECT create_distributed_table('locked', 'k', shard_count => 8);
    INSERT INTO locked SELECT g, 0 FROM generate_series(1, 100) g`)
  const [first, second] = (await keysByNode(setup)) as unknown as readonly [
    readonly number[],
    readonly number[],
  ]
  const clients: RawClient[] = []
  for (const { url } of [proxies[0], proxies[0], proxies[1], proxies[1]]) {
    const client = await RawClient.connect(url)
    await until('it knows the table', DEADLINE_MS, async () => {
      return (await client.simple(`${SETTINGS}; SELECT count(*) FROM locked`)).error === undefined
    })
    clients.push(client)
  }
  t.teardown(() => [setup, ...clients].map((client) => client.close()))
  const [a, b, c, d] = clients as [RawClient, RawClient, RawClient, RawClient]

  async function untilWaiting(count: number): Promise<void> {
    await until(`${count} wait`, DEADLINE_MS, async () => {
      const counts = await Promise.all(cluster.nodeUrls.map((url) => valueOn(url, WAITING)))
      return counts.reduce((sum, each) => sum + Number(each), 0) >= count
    })
  }
  const begin = async (client: RawClient, key: number | undefined) => {
    await client.run(`BEGIN; ${update(key)}`)
  }
  /** The youngest is refused, and the others go on before it says ROLLBACK. */
  async function check(
    t: Test,
    victim: Promise<Answer>,
    others: readonly Promise<Answer>[],
  ): Promise<void> {
    const startedMs = performance.now()
    const { error, status } = await victim
    t.comment(`found within ${Math.round(performance.now() - startedMs)} ms`)
    t.match(error, { sqlState: '40P01', message: 'deadlock detected' })
    t.equal(status, 'E')
    for (const other of others) t.equal((await other).error, undefined, 'another goes on')
    for (const client of clients) await client.run('ROLLBACK')
  }

  t.test('through one proxy', async (t) => {
    await begin(a, first[0])
    await begin(b, second[0])
    const older = a.simple(update(second[0]))
    await untilWaiting(1)
    await check(t, b.simple(update(first[0])), [older])
  })

  t.test('through two proxies, found by the one that began to wait first', async (t) => {
    await begin(a, first[0])
    await begin(c, second[0])
    const younger = c.simple(update(first[0]))
    await untilWaiting(1)
    await check(t, younger, [a.simple(update(second[0]))])
  })

  t.test('over three transactions, one of them on a single node', async (t) => {
    await begin(a, first[0])
    await begin(b, first[1])
    await begin(c, second[0])
    // c waits for b, b for a, a for c
    const waits = [a.simple(update(second[0])), b.simple(update(first[0]))]
    await untilWaiting(2)
    const youngest = c.simple(update(first[1]))
    const { error } = await youngest
    t.equal(error?.sqlState, '40P01')
    t.equal((await waits[0])?.error, undefined)
    await a.run('ROLLBACK')
    t.equal((await waits[1])?.error, undefined)
    for (const client of clients) await client.run('ROLLBACK')
  })

  t.test('check_distributed_deadlocks() finds none where there is none', async (t) => {
    t.equal(await a.value('SELECT check_distributed_deadlocks()'), 'f')
  })

  t.test('through the locks of a prepared transaction', async (t) => {
    await setup.run(`CREATE TABLE later (k int, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED);
      SELECT create_distributed_table('later', 'k', colocate_with => 'locked')`)
    for (const client of [a, b]) {
      await until('it knows the table', DEADLINE_MS, async () => {
        return (await client.simple('SELECT count(*) FROM later')).error === undefined
      })
    }
    const insert = `INSERT INTO later VALUES (${second[0]})`
    /** Of a, whose part on the first node is prepared, and whose part on the second waits for who inserted the same before. */
    async function deadlock(older: RawClient, younger: RawClient) {
      await begin(older, older === a ? first[0] : first[1])
      await begin(younger, younger === a ? first[0] : first[1])
      await b.run(insert)
      await a.run(insert)
      const commit = a.simple('COMMIT')
      await untilWaiting(1)
      const late = b.simple(update(first[0]))
      const [refused, other] = younger === a ? [commit, late] : [late, commit]
      t.match((await refused).error, { sqlState: '40P01', message: 'deadlock detected' })
      t.equal((await other).error, undefined, 'the other goes on')
      for (const client of clients) await client.run('ROLLBACK')
      await setup.run('DELETE FROM later')
    }
    await deadlock(a, b)
    await deadlock(b, a)
  })

  t.test('of a statement over all shards', async (t) => {
    await begin(a, first[0])
    await begin(c, second[0])
    const all = d.simple('BEGIN; UPDATE locked SET v = v + 1')
    await untilWaiting(2)
    const older = a.simple(update(second[0]))
    await c.run('COMMIT')
    // either d has the other's row by now, or not
    const answers = await Promise.all([
      older.then(async (answer) => {
        await a.run('ROLLBACK')
        return answer
      }),
      all,
    ])
    t.comment(answers.map(({ error }) => error?.sqlState ?? 'done').join(', '))
    t.ok(answers.some(({ error }) => error === undefined))
    for (const { error } of answers) if (error !== undefined) t.equal(error.sqlState, '40P01')
    for (const client of clients) await client.run('ROLLBACK')
  })

  t.test('who waits is shown, and ended by its global pid, through any proxy', async (t) => {
    const gpidsOf = async (column: string) => {
      const sql = `SELECT ${column} FROM citus_lock_waits JOIN citus_stat_activity ON global_pid = waiting_gpid
        WHERE nodeid = waiting_nodeid AND pid = citus_pid_for_gpid(waiting_gpid) AND query LIKE '%v + 1 WHERE k =%'`
      return (await b.run(sql)).results[0]?.rows.map(([gpid]) => gpid) ?? []
    }
    await begin(a, first[0])
    await c.run('BEGIN')
    const waiting = c.simple(update(first[0]))
    await untilWaiting(1)
    const [waiter] = await gpidsOf('waiting_gpid')
    t.equal(await b.value(`SELECT pg_cancel_backend(${waiter})`), 't')
    t.equal((await waiting).error?.sqlState, '57014')
    await c.run('ROLLBACK')
    const next = c.simple(update(first[0]))
    await untilWaiting(1)
    const [blocker] = await gpidsOf('blocking_gpid')
    t.equal(await b.value(`SELECT * FROM pg_terminate_backend(${blocker}, 5000)`), 't')
    t.equal((await next).error, undefined)
    t.match((await a.simple('SELECT 1; COMMIT')).error?.sqlState, /^(08|57P01|25P02)/)
    t.match((await b.simple('SELECT pg_cancel_backend(990000000001)')).error, { sqlState: '22023' })
    t.match(await b.value('SELECT citus_backend_gpid()'), /^1\d{10}$/)
    t.equal(await b.value('SELECT citus_nodeid_for_gpid(citus_calculate_gpid(3, 77))'), '3')
    t.equal(await b.value('SELECT recover_prepared_transactions()'), '0')
    for (const client of clients) await client.run('ROLLBACK')
  })

  t.test('nobody who only waits is refused', async (t) => {
    await begin(a, first[2])
    const waiting = c.simple(`BEGIN; ${update(second[2])}; ${update(first[2])}`)
    const all = d.simple(`UPDATE locked SET v = v + 1 WHERE k IN (${first[2]}, ${second[1]})`)
    await untilWaiting(2)
    // several rounds of detection, which begin after a second
    await setup.run('SELECT pg_sleep(2.5)')
    await a.run('COMMIT')
    t.equal((await waiting).error, undefined)
    await c.run('COMMIT')
    t.equal((await all).error, undefined)
  })
})

function update(key: number | undefined): string {
  return `UPDATE locked SET v = v + 1 WHERE k = ${key}`
}

/** Three of each node's. */
async function keysByNode(client: RawClient): Promise<number[][]> {
  const { results } = await client.run(`SELECT array_to_string((array_agg(g ORDER BY g))[1:3], ',')
    FROM generate_series(1, 100) g JOIN citus_shards s ON s.shardid = get_shard_id_for_distribution_column('locked', g)
    GROUP BY nodeport ORDER BY nodeport`)
  return (results[0]?.rows ?? []).map(([keys]) => (keys ?? '').split(',').map(Number))
}
