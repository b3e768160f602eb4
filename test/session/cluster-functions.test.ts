import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

t.test('cluster functions in the extended protocol', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const client = await RawClient.connect(cluster.url)
  t.teardown(() => client.close())
  const call = (sql: string, values: readonly (string | null)[], format: 'text' | 'binary') =>
    client.extended(sql, values, format)
  const shardsOf = (table: string) =>
    client.value(`SELECT count(*) FROM citus_shards WHERE table_name = '${table}'::regclass`)
  await client.run('CREATE TABLE a (k int); CREATE TABLE b (k int); CREATE TABLE c (k int)')

  t.test('take parameters of the types they declare', async (t) => {
    const created = await call(
      'SELECT create_distributed_table($1, $2, shard_count => $3)',
      ['a', 'k', '4'],
      'text',
    )
    t.match(created, {
      error: undefined,
      results: [{ fields: [{ name: 'create_distributed_table', typeOid: 2278 }], rows: [['']] }],
    })
    t.equal(await shardsOf('a'), '4')
    const named = 'SELECT * FROM create_distributed_table($2, $1, colocate_with := $3)'
    t.equal((await call(named, ['k', 'b', 'none'], 'binary')).error, undefined)
    t.equal(await shardsOf('b'), '32')
    const [host, port] =
      (await client.simple('SELECT nodename, nodeport FROM citus_nodes ORDER BY nodeport'))
        .results[0]?.rows[0] ?? []
    const found = await call('SELECT citus_add_node($1, $2)', [host ?? '', port ?? ''], 'text')
    t.match(found, { error: undefined, results: [{ fields: [{ typeOid: 23 }] }] })
  })

  t.test('and as PREPARE and EXECUTE', async (t) => {
    await client.run("PREPARE p AS SELECT create_distributed_table($1, $2); EXECUTE p ('c', 'k')")
    t.equal(await shardsOf('c'), '32')
  })

  t.test('give rows', async (t) => {
    const sql = 'SELECT * FROM run_command_on_workers($1)'
    t.match((await call(sql, ['SELECT 7'], 'text')).results, [
      { fields: [{ name: 'nodename' }, {}, { name: 'success', typeOid: 16 }, { name: 'result' }] },
    ])
    t.same((await call(sql, ['SELECT 7'], 'text')).results[0]?.rows[1]?.slice(2), ['t', '7'])
  })

  t.test('fail as Postgres would', async (t) => {
    const stateOf = async (sql: string, ...values: string[]) =>
      (await call(sql, values, 'text')).error?.sqlState
    t.equal(await stateOf('SELECT create_distributed_table($1, $2)', 'nowhere', 'k'), '42P01')
    t.equal(await stateOf('SELECT create_distributed_table($1, nope => $2)', 'a', 'k'), '42883')
    t.equal(await stateOf('SELECT citus_add_node($1, $2)', 'localhost', 'many'), '22P02')
    t.equal(await stateOf('SELECT citus_add_node($1)', 'localhost'), '42883')
  })
})
