import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

t.setTimeout(600_000)

t.test("currval() and lastval() are a session's own, or an error", async (t) => {
  const url = new URL(await stockPostgres(t))
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 1))
  const one = await RawClient.connect(url.href)
  const other = await RawClient.connect(url.href)
  t.teardown(() => {
    one.close()
    other.close()
  })
  await one.run('CREATE TABLE items (id serial, name text); CREATE TABLE lines (item int)')
  const lastval = 'SELECT lastval()'
  await one.run("INSERT INTO items (name) VALUES ('a')")
  t.equal(await one.value(lastval), '1')
  await other.run('SELECT 1')
  t.equal(await one.value("SELECT currval('items_id_seq')"), '1', 'reading disturbs nobody')
  t.equal((await other.simple(lastval)).error?.sqlState, '55000', "not another's")
  await other.run("INSERT INTO items (name) VALUES ('b')")
  t.equal((await one.simple(lastval)).error?.sqlState, '55000', 'not known any more')
  t.equal(await other.value(lastval), '2')
  await one.run("BEGIN; INSERT INTO items (name) VALUES ('c')")
  await one.run("INSERT INTO lines VALUES (currval('items_id_seq'))")
  await one.run('COMMIT')
  t.equal(await one.value('SELECT item FROM lines'), '3')
  await one.run("INSERT INTO items (name) VALUES ('d'); INSERT INTO lines VALUES (lastval())")
  t.equal(await one.value('SELECT max(item) FROM lines'), '4')
  await other.run("INSERT INTO items (name) VALUES ('e')")
  await one.run('BEGIN')
  t.equal((await one.simple(lastval)).error?.sqlState, '55000')
  await one.run('ROLLBACK')
})

t.test("what another has drawn isn't the last writer's", async (t) => {
  const url = new URL(await stockPostgres(t))
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 1))
  const one = await RawClient.connect(url.href)
  const other = await RawClient.connect(url.href)
  t.teardown(() => {
    one.close()
    other.close()
  })
  await one.run('CREATE SEQUENCE numbers START 4711; CREATE TABLE places (id int)')
  const draws = 'BEGIN; UPDATE places SET id = 1; SELECT lastval()'
  await one.run("SELECT nextval('numbers')")
  await other.run('UPDATE places SET id = 1')
  t.equal((await other.simple('SELECT lastval()')).error?.sqlState, '55000', 'the first to ask')
  await one.run("SELECT nextval('numbers')")
  t.equal((await other.simple(draws)).error?.sqlState, '55000', 'as it is on one Postgres')
  await other.run('ROLLBACK')
  await one.run("SELECT nextval('numbers')")
  await other.run("SELECT nextval('numbers')")
  t.equal(await other.value('SELECT lastval()'), '4714')
})

t.test('what a row of a distributed table drew is told by the node that has it', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const client = await RawClient.connect(cluster.url)
  const other = await RawClient.connect(cluster.url)
  t.teardown(() => {
    client.close()
    other.close()
  })
  const unknown = async (sql: string, message: string) => {
    await client.run('SAVEPOINT s')
    t.equal((await client.simple(sql)).error?.sqlState, '55000', message)
    await client.run('ROLLBACK TO s')
  }
  await client.run('CREATE TABLE items (k int, id bigserial); CREATE TABLE near (id serial, v int)')
  await client.run("SELECT create_distributed_table('items', 'k', shard_count => 4)")
  const currval = "SELECT currval('items_id_seq')"
  // the first to ask pays for the others
  await client.simple(currval)
  for (const k of [1, 2, 3, 4, 5, 6, 7, 8]) {
    await client.run('BEGIN')
    const id = await client.value(`INSERT INTO items VALUES (${k}) RETURNING id`)
    t.equal(await client.value(currval), id)
    t.equal(await client.value('SELECT lastval() AS last'), id)
    t.equal(await client.value("SELECT currval(pg_get_serial_sequence('items', 'id'))::text"), id)
    const next = await client.value(`INSERT INTO items VALUES (${k}) RETURNING id`)
    t.equal(await client.value(currval), next)
    await client.run('COMMIT')
  }

  await client.run('BEGIN')
  await client.run('INSERT INTO items VALUES (1), (2), (3), (4), (5)')
  await unknown(currval, 'rows of several shards')
  await client.run('INSERT INTO items VALUES (1); INSERT INTO near (v) VALUES (1)')
  t.equal(await client.value('SELECT lastval()'), '1', "the coordinator's own")
  await unknown(currval, 'no value of the worker is told by another node')
  await client.run('COMMIT')

  await client.run('BEGIN')
  await client.run("SELECT nextval('items_id_seq')")
  await client.run('INSERT INTO items VALUES (1); UPDATE near SET v = 2')
  await unknown(currval, 'the coordinator has drawn before, the worker after it')
  await client.run('COMMIT')

  await client.run('INSERT INTO near (v) VALUES (7)')
  await other.run('INSERT INTO items SELECT g FROM generate_series(1, 20) g')
  const { error, results } = await client.simple('SELECT lastval()')
  t.ok(error?.sqlState === '55000' || results[0]?.rows[0]?.[0] === '2', "never another's")
})
