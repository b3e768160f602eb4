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

  const rowsOf = async (sql: string): Promise<readonly string[]> => {
    const { results, error } = await client.simple(sql)
    t.equal(error, undefined)
    return (results[0]?.rows ?? []).map((row) => row.join('|'))
  }
  const statements = () =>
    rowsOf(
      `SELECT s.query, s.executor, s.partition_key, s.calls FROM citus_stat_statements s
       JOIN pg_roles r ON r.oid = s.userid AND r.rolname = current_user JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
       WHERE s.queryid IS NOT NULL ORDER BY s.query, s.partition_key`,
    )
  // a period may end meanwhile
  const tenants = () =>
    rowsOf(
      `SELECT tenant_attribute, read_count_in_this_period + read_count_in_last_period,
         query_count_in_this_period + query_count_in_last_period, cpu_usage_in_this_period IS NULL
       FROM citus_stat_tenants ORDER BY query_count_in_this_period + query_count_in_last_period DESC, 1`,
    )

  t.test('statements are tracked where a session wants it', async (t) => {
    t.equal(await client.value('SHOW citus.stat_statements_track'), 'none')
    await client.run('SELECT v FROM items WHERE k = 7')
    t.same(await statements(), [])
    t.same(await tenants(), [])
    await client.run(
      "SET citus.stat_statements_track = 'all'; SET citus.stat_tenants_track = 'all'",
    )
    await client.run('SET citus.stat_tenants_period = 86400')
    for (const k of [7, 7, 8, 7]) await client.run(`SELECT v FROM items WHERE k = ${k} -- secret`)
    const lookup = 'SELECT v AS x FROM items WHERE k = $1'
    for (let run = 0; run < 3; run++) {
      await client.extended(lookup, ['7'], 'text')
    }
    await client.run("UPDATE items SET v = 5 WHERE k = 7 AND 'secret' <> 'x'")
    await client.run('SELECT count(*) FROM items WHERE v > 5')
    await client.run('INSERT INTO items SELECT k + 1000, v FROM items')
    await client.run('SELECT 1; INSERT INTO kinds VALUES (2)')
    t.ok((await client.simple('SELECT 1 / (v - v) FROM items WHERE k = 7')).error)
    const counted = await statements()
    await client.run('RESET citus.stat_statements_track; RESET citus.stat_tenants_track')
    await client.run('SELECT v FROM items WHERE k = 7')
    t.same(counted, [
      'INSERT INTO items SELECT k + $1, v FROM items|insert-select||1',
      'INSERT INTO kinds VALUES ($1)|adaptive||1',
      'SELECT count(*) FROM items WHERE v > $1|adaptive||1',
      'SELECT v AS x FROM items WHERE k = $1|adaptive|7|3',
      'SELECT v FROM items WHERE k = $1|adaptive|7|3',
      'SELECT v FROM items WHERE k = $1|adaptive|8|1',
      'UPDATE items SET v = $1 WHERE k = $2 AND $3 <> $4|adaptive|7|1',
    ])
    t.same(await statements(), counted)
  })

  t.test('tenants are counted by their keys', async (t) => {
    t.same(await tenants(), ['7|6|7|t', '8|1|1|t'])
    t.same(
      await rowsOf(`SELECT s.tenant_attribute, s.nodeid = p.groupid OR s.nodeid IN (SELECT nodeid FROM pg_dist_node n WHERE n.groupid = p.groupid),
          s.colocation_id = t.colocationid
        FROM citus_stat_tenants s JOIN pg_dist_partition t ON t.logicalrelid = 'items'::regclass
        JOIN pg_dist_placement p ON p.shardid = get_shard_id_for_distribution_column('items', s.tenant_attribute::int) ORDER BY 1`),
      ['7|t|t', '8|t|t'],
    )
    t.same(await rowsOf('SELECT tenant_attribute FROM citus_stat_tenants_local'), ['7', '8'])
    await client.run('SET citus.stat_tenants_limit = 1')
    t.same(await tenants(), ['7|6|7|t'])
    await client.run('RESET citus.stat_tenants_limit')
  })

  t.test('who may see them', async (t) => {
    await client.run('CREATE ROLE stranger LOGIN')
    const url = new URL(proxy.url)
    url.username = 'stranger'
    const stranger = await RawClient.connect(url.href)
    t.teardown(() => stranger.close())
    t.equal(
      await stranger.value(
        'SELECT count(*) FROM citus_stat_statements WHERE queryid IS NOT NULL OR partition_key IS NOT NULL',
      ),
      '0',
    )
    t.equal(
      await stranger.value('SELECT DISTINCT query FROM citus_stat_statements'),
      '<insufficient privilege>',
    )
    for (const sql of ['SELECT * FROM citus_stat_tenants', 'SELECT citus_stat_tenants_reset()']) {
      t.match((await stranger.simple(sql)).error, { sqlState: '42501' })
    }
  })

  t.test('they are reset', async (t) => {
    await client.run('SELECT citus_stat_statements_reset()')
    t.same(await statements(), [])
    t.equal((await tenants()).length, 2)
    await client.run('SELECT citus_stat_tenants_reset()')
    t.same(await tenants(), [])
  })
})
