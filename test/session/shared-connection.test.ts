import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'

t.setTimeout(600_000)

/** Two clients that take turns on one server connection, or more. */
async function twoClients(t: Teardown, connections = 1) {
  const url = new URL(await stockPostgres(t))
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, connections))
  const one = await RawClient.connect(url.href)
  const other = await RawClient.connect(url.href)
  t.teardown(() => {
    one.close()
    other.close()
  })
  return { one, other }
}

t.test('a prepared text is read by the settings of its own session', async (t) => {
  const { one, other } = await twoClients(t)
  await one.run("SET datestyle = 'ISO, MDY'; SET timezone = 'UTC'")
  await other.run("SET datestyle = 'ISO, DMY'; SET timezone = 'Asia/Tokyo'")
  const prepare = `PREPARE p AS SELECT '01/02/2020'::date || ' ' || ('2020-01-01 00:00'::timestamptz AT TIME ZONE 'UTC')`
  for (const client of [one, other]) await client.run(prepare)
  t.equal(await one.value('EXECUTE p'), '2020-01-02 2020-01-01 00:00:00')
  t.equal(await other.value('EXECUTE p'), '2020-02-01 2019-12-31 15:00:00')
  t.equal(await one.value('EXECUTE p'), '2020-01-02 2020-01-01 00:00:00')
})

t.test('DISCARD ALL leaves nothing on a connection that the session had pinned', async (t) => {
  const { one, other } = await twoClients(t)
  await one.run('CREATE TEMP TABLE mine (x int)')
  await one.run('SELECT pg_advisory_lock(42)')
  await one.run('LISTEN news')
  await one.run('DISCARD ALL')
  t.equal(await other.value("SELECT to_regclass('mine') IS NULL"), 't')
  t.equal(await other.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0')
  t.equal(await other.value('SELECT count(*) FROM pg_listening_channels()'), '0')
})

t.test('a comment after BEGIN hides nothing of what travels with it', async (t) => {
  const { one } = await twoClients(t)
  await one.run("SET timezone = 'Asia/Tokyo'")
  await one.run('BEGIN -- mine')
  await one.run("SET LOCAL timezone = 'Asia/Seoul'")
  t.equal(await one.value('SHOW timezone'), 'Asia/Seoul')
  await one.run('ROLLBACK')
  t.equal(await one.value('SHOW timezone'), 'Asia/Tokyo')
})

t.test('a DO block that changes the session keeps its connection', async (t) => {
  const url = new URL(await stockPostgres(t))
  url.port = String(await localProxy(t, { host: url.hostname, port: Number(url.port) }))
  const [one, other] = [await RawClient.connect(url.href), await RawClient.connect(url.href)]
  t.teardown(() => {
    one.close()
    other.close()
  })
  await one.run("DO $$BEGIN\nPERFORM set_config('work_mem', '14MB', false); END$$")
  t.equal(await other.value('SHOW work_mem'), '4MB')
  t.equal(await one.value('SHOW work_mem'), '14MB')
})

t.test('what a function leaves in its session reaches no other client', async (t) => {
  const { one, other } = await twoClients(t, 2)
  await one.run(`CREATE FUNCTION leave() RETURNS text LANGUAGE plpgsql AS $$BEGIN
    CREATE TEMP TABLE IF NOT EXISTS left_behind (x int);
    RETURN set_config('my.secret', 'one', false);
  END$$`)
  t.equal(await one.value('SELECT leave()'), 'one')
  t.equal(await other.value("SELECT to_regclass('left_behind') IS NULL"), 't')
  t.not(await other.value("SELECT current_setting('my.secret', true)"), 'one')
})
