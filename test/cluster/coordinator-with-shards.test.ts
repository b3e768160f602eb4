import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const SETUP = [
  'CREATE TABLE events (k int, v int, note text)',
  "SELECT create_distributed_table('events', 'k', shard_count => 4)",
  'CREATE TABLE kinds (k int PRIMARY KEY)',
  "SELECT create_reference_table('kinds')",
  'CREATE TABLE kept (k int)',
  "INSERT INTO events SELECT g, g % 5, 'n' FROM generate_series(1, 40) g",
  'INSERT INTO kinds VALUES (1), (5), (60)',
]
const JOIN = 'SELECT count(*) FROM events a, events b WHERE a.v = b.v'
const MISSING = 'SELECT k FROM kinds LEFT JOIN events USING (k) WHERE v IS NULL'

/** Where the coordinator is the only node, rows that must be brought together come from its own connection. */
t.test('rows are brought together where the coordinator has the shards', async (t) => {
  const { url } = await DevCluster.start(t, 0)
  const client = await RawClient.connect(url)
  t.teardown(() => client.close())
  for (const sql of SETUP) await client.run(sql)

  t.equal(await client.value(JOIN), '320')
  t.equal(await client.value(MISSING), '60')
  t.equal(await client.value(`${JOIN} AND a.note > 'm' AND b.k < 11`), '80')
  const { results } = await client.extended(`${JOIN} AND a.k < $1`, ['6'], 'text', [23])
  t.same(results[0]?.rows, [['40']], 'with a parameter')

  await client.run('BEGIN')
  await client.run('INSERT INTO events VALUES (60, 1)')
  t.equal(await client.value(JOIN), '337', "the transaction's own rows too")
  await client.run(`DECLARE c CURSOR FOR ${MISSING}`)
  t.same((await client.run('FETCH ALL FROM c')).results[0]?.rows, [])
  await client.run('ROLLBACK')

  await client.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  t.equal(await client.value(JOIN), '320', 'read only')
  await client.run('COMMIT')

  await client.run(`INSERT INTO kept SELECT k FROM (${MISSING}) AS missing`)
  t.equal(await client.value('SELECT k FROM kept'), '60')

  await client.run(`SET citus.max_intermediate_result_size = 1`)
  t.equal((await client.simple(JOIN)).error?.sqlState, '54000', 'no more than is allowed')
})
