import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
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
