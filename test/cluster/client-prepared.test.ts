import t from 'tap'
import { nodeUrls, valueOn } from '../support/node-urls.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
const SHOWN = 'SELECT gid, owner, database FROM pg_prepared_xacts ORDER BY gid'
const ALL = "SELECT string_agg(gid, ' ' ORDER BY gid) FROM pg_catalog.pg_prepared_xacts"

t.setTimeout(600_000)

t.test('transactions that clients prepare', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const proxies = [await cluster.startProxy(), await cluster.startProxy()] as const
  const a = await RawClient.connect(proxies[0].url)
  const b = await RawClient.connect(proxies[1].url)
  t.teardown(() => {
    a.close()
    b.close()
  })
  await a.run(`CREATE TABLE local_rows (k int PRIMARY KEY);
    CREATE TABLE spread (k int PRIMARY KEY, v int); SELECT create_distributed_table('spread', 'k', shard_count => 4);
    INSERT INTO spread SELECT g, 0 FROM generate_series(1, 100) g`)
  const [first = 0, second = 0] = await keyOfEachWorker(a)
  await until('the other proxy knows the table', DEADLINE_MS, async () => {
    return (await b.simple('SELECT count(*) FROM spread')).results[0]?.rows[0]?.[0] === '100'
  })
  const add = (k: number) => `UPDATE spread SET v = v + 1 WHERE k = ${k}`
  const sum = () => a.value('SELECT sum(v) FROM spread')
  const state = async (client: RawClient, sql: string) => (await client.simple(sql)).error?.sqlState
  const prepared = async (client: RawClient) =>
    (await client.run(SHOWN)).results[0]?.rows.map((row) => row.join('/'))

  t.test('on a worker, finished through another proxy', async (t) => {
    const { results } = await a.run(
      `BEGIN; SELECT v FROM spread WHERE k = ${second}; ${add(first)}`,
    )
    t.equal(results.length, 3)
    const answer = await a.simple("PREPARE TRANSACTION 'it''s mine'")
    t.same([answer.results[0]?.tag, answer.status], ['PREPARE TRANSACTION', 'I'])
    t.same(await prepared(b), ["it's mine/app/app"], 'is shown by its own name')
    const { error } = await b.extended(
      'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()',
      [],
      'text',
    )
    t.equal(error, undefined, 'as drivers ask')
    t.equal(await sum(), '0', 'nothing is to be seen of it')
    t.equal(await b.value('SELECT recover_prepared_transactions()'), '0', 'recovery lets it be')
    t.equal((await b.run("COMMIT PREPARED 'it''s mine'")).results[0]?.tag, 'COMMIT PREPARED')
    t.same(await prepared(b), [])
    t.equal(await sum(), '1')
    await a.run(`BEGIN; ${add(first)}; PREPARE TRANSACTION 'back'`)
    t.equal((await b.run("ROLLBACK PREPARED 'back'")).results[0]?.tag, 'ROLLBACK PREPARED')
    t.equal(await sum(), '1')
  })

  t.test('on the coordinator, and of nothing at all', async (t) => {
    await a.run("BEGIN; INSERT INTO local_rows VALUES (1); PREPARE TRANSACTION 'local'")
    await a.run("BEGIN; PREPARE TRANSACTION 'nothing'")
    t.same(await prepared(b), ['local/app/app', 'nothing/app/app'])
    await b.run("COMMIT PREPARED 'local'")
    await b.run("ROLLBACK PREPARED 'nothing'")
    t.equal(await b.value('SELECT count(*) FROM local_rows'), '1')
  })

  t.test('on several nodes, finished through another proxy', async (t) => {
    const both = [add(first), add(second)].join('; ')
    const local = `INSERT INTO local_rows VALUES (2); ${add(second)}`
    for (const [work, gid] of [
      [both, 'both'],
      [local, "it''s both"],
    ] as const) {
      const before = Number(await sum())
      await a.run(`BEGIN; ${work}`)
      const answer = await a.simple(`PREPARE TRANSACTION '${gid}'`)
      t.same([answer.results[0]?.tag, answer.status], ['PREPARE TRANSACTION', 'I'])
      t.same(await prepared(b), [`${gid.replace("''", "'")}/app/app`], 'is shown once')
      t.equal(await b.value('SELECT recover_prepared_transactions()'), '0', 'recovery lets it be')
      t.equal(Number(await sum()), before)
      await b.run('BEGIN; INSERT INTO local_rows VALUES (77)')
      t.equal(await state(b, `PREPARE TRANSACTION '${gid}'`), '42710')
      await b.run(`ROLLBACK PREPARED '${gid}'`)
      t.same([Number(await sum()), await prepared(b)], [before, []])
      await a.run(`BEGIN; ${work}; PREPARE TRANSACTION '${gid}'`)
      t.equal((await b.run(`COMMIT PREPARED '${gid}'`)).results[0]?.tag, 'COMMIT PREPARED')
      t.equal(Number(await sum()), before + (work === both ? 2 : 1))
      t.same(await prepared(a), [])
      t.equal(await state(a, `COMMIT PREPARED '${gid}'`), '42704')
    }
    for (const verb of ['COMMIT', 'ROLLBACK']) {
      const before = Number(await sum())
      await a.run(`BEGIN; ${both}; PREPARE TRANSACTION 'unread'`)
      await b.run('SET default_transaction_read_only = on')
      t.equal(await state(b, `${verb} PREPARED 'unread'`), undefined, `READ ONLY: ${verb}`)
      await b.run('RESET default_transaction_read_only')
      t.equal(Number(await sum()), verb === 'COMMIT' ? before + 2 : before)
    }
    await a.run(`UPDATE spread SET v = v - 1 WHERE k IN (${first}, ${second})`)
    await a.run(`BEGIN; ${both}; CREATE TEMP TABLE held (k int)`)
    t.equal(await state(a, "PREPARE TRANSACTION 'temporary'"), '0A000', 'as the server says')
    t.same([await prepared(b), await sum()], [[], '4'])
    await a.run('UPDATE spread SET v = 0; UPDATE spread SET v = 1 WHERE k = 1')
  })

  t.test('a name is used once in the cluster', async (t) => {
    await a.run(`BEGIN; ${add(first)}; PREPARE TRANSACTION 'one'`)
    for (const [client, work] of [
      [b, add(second)],
      [a, 'INSERT INTO local_rows VALUES (3)'],
      [b, `SELECT 1; UPDATE spread SET v = v WHERE k = ${second}`],
    ] as const) {
      await client.run(`BEGIN; ${work}`)
      const { error, status } = await client.simple("PREPARE TRANSACTION 'one'")
      t.match(error, {
        sqlState: '42710',
        message: 'transaction identifier "one" is already in use',
      })
      t.equal(status, 'I')
    }
    await b.run("ROLLBACK PREPARED 'one'")
    // at once, through both proxies, on different nodes
    await a.run(`BEGIN; ${add(first)}`)
    await b.run(`BEGIN; ${add(second)}`)
    const states = await Promise.all([a, b].map((one) => state(one, "PREPARE TRANSACTION 'race'")))
    t.same(states.sort(), ['42710', undefined])
    await b.run("ROLLBACK PREPARED 'race'")
    t.equal(await sum(), '1')
  })

  t.test('what can not be finished', async (t) => {
    for (const client of [a, b]) {
      t.match((await client.simple("COMMIT PREPARED 'none'")).error, {
        sqlState: '42704',
        message: 'prepared transaction with identifier "none" does not exist',
      })
    }
    await a.run(`BEGIN; ${add(first)}; PREPARE TRANSACTION 'held'`)
    await a.run('BEGIN')
    t.equal(await state(a, "COMMIT PREPARED 'held'"), '25001')
    await a.run('ROLLBACK')
    t.equal(await state(a, `SELECT 1; COMMIT PREPARED 'held'`), '25001')
    await a.run("ROLLBACK PREPARED 'held'")
    for (const gid of [
      `pgloom_${'0'.repeat(12)}_${'0'.repeat(32)}_1`,
      'pgloom:x',
      'x'.repeat(190),
    ]) {
      await a.run(`BEGIN; ${add(first)}`)
      t.equal(await state(a, `PREPARE TRANSACTION '${gid}'`), '22023')
    }
    await a.run(`BEGIN; ${add(first)}`)
    await a.simple('SELECT 1 / 0')
    t.equal((await a.run("PREPARE TRANSACTION 'failed'")).results[0]?.tag, 'ROLLBACK')
    t.equal((await a.run("PREPARE TRANSACTION 'no block'")).results[0]?.tag, 'ROLLBACK')
    t.same([await prepared(a), await sum()], [[], '1'])
  })

  t.test('it outlives its proxy, and a server that does not answer is said', async (t) => {
    const victim = await cluster.startProxy()
    const client = await RawClient.connect(victim.url)
    await client.run(`BEGIN; ${add(first)}; PREPARE TRANSACTION 'orphan'`)
    await victim.kill()
    client.close()
    t.equal(await b.value('SELECT recover_prepared_transactions()'), '0')
    t.same(await prepared(b), ['orphan/app/app'])
    const [holder] = await Promise.all(
      (await nodeUrls(proxies[0].url)).map(async (url) =>
        (await valueOn(url, ALL)) === null ? '' : url,
      ),
    ).then((urls) => urls.filter((url) => url !== ''))
    const server = cluster.servers.find(({ port }) => holder?.includes(`:${port}/`))
    await server?.stop()
    const { error } = await b.simple("COMMIT PREPARED 'orphan'")
    t.match(error, { sqlState: /^(08|57P)/ })
    await server?.start()
    await until('it can be finished', DEADLINE_MS, async () => {
      return (await state(b, "COMMIT PREPARED 'orphan'")) === undefined
    })
    t.equal(await b.value('SELECT sum(v) FROM spread'), '2')
  })
})

/** A key whose rows each of the two workers has. */
async function keyOfEachWorker(client: RawClient): Promise<number[]> {
  const { results } = await client.run(`SELECT min(g) FROM generate_series(1, 100) g
    JOIN citus_shards s ON s.shardid = get_shard_id_for_distribution_column('spread', g) GROUP BY s.nodeport ORDER BY 1`)
  return results[0]?.rows.map(([key]) => Number(key)) ?? []
}
