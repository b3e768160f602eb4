import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

t.test('settings of the cluster', async (t) => {
  const cluster = await DevCluster.start(t, 2)

  async function connect(parameters: Record<string, string> = {}): Promise<RawClient> {
    const client = await RawClient.connect(cluster.url, parameters)
    t.teardown(() => client.close())
    return client
  }

  const client = await connect()
  const value = (sql: string) => client.value(sql)
  const read = async () => [
    await value('SHOW citus.shard_count'),
    await value("SELECT current_setting('pgloom.shard_count')"),
  ]
  const shardsOf = (table: string) =>
    value(`SELECT count(*) FROM citus_shards WHERE table_name = '${table}'::regclass`)

  t.test('have defaults, and follow SET, SET LOCAL, RESET and ROLLBACK', async (t) => {
    t.same(await read(), ['32', '32'])
    await client.run('SET citus.shard_count = 8')
    t.same(await read(), ['8', '8'])
    await client.run('BEGIN; SET LOCAL pgloom.shard_count TO 4')
    t.same(await read(), ['4', '4'])
    await client.run('COMMIT')
    t.same(await read(), ['8', '8'])
    await client.run('BEGIN; SET citus.shard_count = 2; ROLLBACK')
    t.same(await read(), ['8', '8'])
    t.equal(await value("SELECT set_config('citus.shard_count', '16', false)"), '16')
    t.same(await read(), ['16', '16'])
    await client.run('RESET citus.shard_count')
    t.same(await read(), ['32', '32'])
    await client.run('SET citus.shard_count = 8; RESET ALL')
    t.same(await read(), ['32', '32'])
  })

  t.test('are seen by functions, and by current_setting() of any form', async (t) => {
    await client.run("SET citus.shard_count = 8; SELECT current_setting('TimeZone')")
    t.equal(await value("SELECT pg_catalog.current_setting('citus.shard_count')"), '8')
    await client.run(`CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN current_setting('citus.shard_count', true); END $$`)
    t.equal(await value('SELECT f()'), '8')
    const { results } = await client.extended(
      "SELECT current_setting('citus.multi_shard_modify_mode')",
      [],
      'text',
    )
    t.match(results, [{ fields: [{ name: 'current_setting' }], rows: [['parallel']] }])
    t.equal((await client.simple("SELECT current_setting('citus.nope')")).error?.sqlState, '42704')
    t.equal(await value("SELECT current_setting('citus.nope', true)"), null)
    await client.run('RESET citus.shard_count')
  })

  t.test('decide how many shards a table gets', async (t) => {
    await client.run(`SET citus.shard_count = 8; CREATE TABLE a (k int);
      SELECT create_distributed_table('a', 'k')`)
    t.equal(await shardsOf('a'), '8')
    await client.run(`BEGIN; SET LOCAL citus.shard_count = 3; CREATE TABLE b (k int);
      SELECT create_distributed_table('b', 'k'); COMMIT`)
    t.equal(await shardsOf('b'), '3')
    await client.run(
      `CREATE TABLE c (k int); SELECT create_distributed_table('c', 'k', shard_count => 5)`,
    )
    t.equal(await shardsOf('c'), '5')
    const other = await connect({ options: '-c citus.shard_count=6' })
    await other.run("CREATE TABLE d (k int); SELECT create_distributed_table('d', 'k')")
    t.equal(await shardsOf('d'), '6')
    t.equal(await other.value('SHOW citus.shard_count'), '6')
  })

  t.test('come from ALTER DATABASE too', async (t) => {
    const superuser = await RawClient.connect(cluster.url.replace('app@', 'postgres@'))
    await superuser.run('ALTER DATABASE app SET citus.shard_count = 7')
    superuser.close()
    await cluster.restart()
    const later = await connect()
    t.equal(await later.value('SHOW citus.shard_count'), '7')
    await later.run("CREATE TABLE e (k int); SELECT create_distributed_table('e', 'k')")
    t.equal(
      await later.value("SELECT count(*) FROM citus_shards WHERE table_name = 'e'::regclass"),
      '7',
    )
  })

  t.test('are refused when wrong, or when they would not be heeded', async (t) => {
    const again = await connect()
    const stateOf = async (sql: string) => (await again.simple(sql)).error?.sqlState
    t.equal(await stateOf('SET citus.shard_count = 0'), '22023')
    t.equal(await stateOf("SET citus.shard_count = 'many'"), '22023')
    t.equal(await stateOf('SHOW citus.nope'), '42704')
    t.equal(await stateOf('SET citus.enable_ddl_propagation = off'), '0A000')
    await again.run('SET citus.shard_replication_factor = 2; CREATE TABLE g (k int)')
    t.equal(await stateOf("SELECT create_distributed_table('g', 'k')"), '0A000')
    await again.run(
      "RESET citus.shard_replication_factor; SELECT create_distributed_table('g', 'k')",
    )
  })
})
