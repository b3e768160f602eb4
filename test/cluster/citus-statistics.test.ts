import t from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'

t.setTimeout(300_000)

const COUNTS =
  'SELECT query_execution_single_shard, query_execution_multi_shard FROM citus_stat_counters'

t.test("Citus' statistics", async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const proxy = await cluster.startProxy()
  const client = await RawClient.connect(proxy.url)
  t.teardown(() => client.close())
  await client.run(`CREATE TABLE items (k int PRIMARY KEY, v int);
    SELECT create_distributed_table('items', 'k', shard_count => 4);
    CREATE TABLE kinds (k int PRIMARY KEY);
    SELECT create_reference_table('kinds');
    INSERT INTO items SELECT g, g FROM generate_series(1, 20) g`)

  const counts = async (): Promise<readonly number[]> => {
    const { results, error } = await client.simple(COUNTS)
    t.equal(error, undefined)
    return (results[0]?.rows[0] ?? []).map(Number)
  }

  t.test('citus_stat_counters counts by shards', async (t) => {
    const before = await counts()
    for (let k = 1; k <= 7; k++) await client.run(`SELECT v FROM items WHERE k = ${k}`)
    await client.run('UPDATE items SET v = 1 WHERE k = 1')
    await client.run('INSERT INTO kinds VALUES (1)')
    await client.run('SELECT count(*) FROM items')
    await client.run('SELECT k FROM items')
    await client.run('SELECT 1')
    t.match((await client.simple('SELECT 1 / (v - v) FROM items')).error, { sqlState: '22012' })
    const after = await counts()
    t.same(
      after.map((count, index) => count - (before[index] ?? 0)),
      [9, 2],
    )
  })

  t.test('its row is that of the database', async (t) => {
    const { results } = await client.simple(
      `SELECT c.*, d.datname FROM citus_stat_counters c JOIN pg_database d USING (oid)`,
    )
    const [result] = results
    t.same(
      result?.fields?.map(({ name }) => name),
      [
        'oid',
        'name',
        'connection_establishment_succeeded',
        'connection_establishment_failed',
        'connection_reused',
        'query_execution_single_shard',
        'query_execution_multi_shard',
        'stats_reset',
        'datname',
      ],
    )
    const [, name, made, failed, reused, , , reset, own] = result?.rows[0] ?? []
    t.equal(result?.rows.length, 1)
    t.equal(name, own)
    t.ok(Number(made) > 0)
    t.ok(Number(reused) > 0)
    t.equal(failed, '0')
    t.equal(reset, null)
  })

  t.test('citus_stat_counters_reset begins anew', async (t) => {
    await client.run('SELECT citus_stat_counters_reset()')
    t.same(await counts(), [0, 0])
    await client.run('SELECT count(*) FROM items')
    t.same(await counts(), [0, 1])
    t.equal(await client.value('SELECT stats_reset <= now() FROM citus_stat_counters'), 't')
    await client.run('SELECT citus_stat_counters_reset(0)')
    t.match((await client.simple('SELECT citus_stat_counters_reset(1)')).error, {
      sqlState: '0A000',
    })
  })

  t.test('time_partitions shows local ones', async (t) => {
    await client.run(`CREATE TABLE logs (at timestamptz NOT NULL, line text) PARTITION BY RANGE (at);
      CREATE TABLE logs_2020 PARTITION OF logs FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2021-01-01 00:00+00');
      CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00');
      CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
      CREATE TABLE words (w text) PARTITION BY RANGE (w);
      CREATE TABLE words_o PARTITION OF words FOR VALUES FROM ('o''a') TO ('p')`)
    await client.run("SET timezone = 'UTC'")
    const { results, error } = await client.simple('SELECT * FROM time_partitions')
    t.equal(error, undefined)
    t.same(results[0]?.rows.map((row) => row.join('|')).sort(), [
      'logs|at|logs_2020|2020-01-01 00:00:00+00|2021-01-01 00:00:00+00|heap',
      'logs|at|logs_old||2020-01-01 00:00:00+00|heap',
      'logs|at|logs_rest|||heap',
      "words|w|words_o|o'a|p|heap",
    ])
    t.equal(
      await client.value(
        `SELECT partition FROM time_partitions WHERE parent_table = 'logs'::regclass AND from_value LIKE '2020%'`,
      ),
      'logs_2020',
    )
  })

  for (const name of ['citus_stat_statements', 'citus_stat_tenants', 'citus_stat_tenants_local']) {
    t.test(`${name} is refused`, async (t) => {
      t.match((await client.simple(`SELECT * FROM ${name} LIMIT 1`)).error, {
        sqlState: '0A000',
        message: /is not kept by pgloom/,
      })
    })
  }
})
