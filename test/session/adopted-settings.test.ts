import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres } from '../support/stock-postgres.ts'
import { sameDialogue } from './dialogue.ts'

t.setTimeout(600_000)

const SETUP = `
  CREATE FUNCTION be(tenant text) RETURNS void LANGUAGE plpgsql AS
    $$BEGIN PERFORM set_config('app.tenant', tenant, false); END$$;
  CREATE FUNCTION be_here(tenant text) RETURNS text LANGUAGE sql AS
    $$SELECT set_config('app.tenant', tenant, true)$$;
  CREATE FUNCTION hurry() RETURNS void LANGUAGE plpgsql AS $$BEGIN SET work_mem = '9MB'; END$$`

/** As on one Postgres, whichever connection each line runs on. */
const LINES = `
EXTENDED one: SELECT set_config('app.tenant', $1, false)
SELECT current_setting('app.tenant')
EXTENDED 7MB: SELECT set_config('work_mem', $1::text, false) AS x
SHOW work_mem
BEGIN
EXTENDED two: SELECT set_config('app.tenant', $1, false)
SELECT current_setting('app.tenant')
ROLLBACK
SELECT current_setting('app.tenant')
BEGIN
EXTENDED three: SELECT set_config('app.tenant', $1, true)
SELECT current_setting('app.tenant')
COMMIT
SELECT current_setting('app.tenant')
SELECT be('four')
SELECT current_setting('app.tenant')
BEGIN
SELECT be('five')
SAVEPOINT s
SELECT be('six')
SELECT current_setting('app.tenant')
ROLLBACK TO s
SELECT current_setting('app.tenant')
COMMIT
SELECT current_setting('app.tenant')
BEGIN
SELECT be_here('seven')
SELECT current_setting('app.tenant')
COMMIT
SELECT current_setting('app.tenant')
SELECT be_here('eight')
SELECT current_setting('app.tenant')
SELECT hurry()
SHOW work_mem
RESET work_mem
SHOW work_mem
SELECT set_config('search_path', 'pg_catalog, public', false)
SHOW search_path
SELECT be('nine')
SELECT set_config('app.' || 'tenant', 'ten', false)
SELECT current_setting('app.tenant')
RESET ALL
SELECT current_setting('app.tenant')
SET SESSION work_mem = '6MB'
SET LOCAL work_mem = '5MB'
SHOW work_mem
RESET work_mem
SHOW work_mem
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SHOW default_transaction_read_only
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE
SHOW transaction_isolation
SHOW default_transaction_read_only
DISCARD ALL
SHOW work_mem
SHOW transaction_isolation`

t.test('settings that statements and functions set stay with their session', async (t) => {
  const stock = await stockPostgres(t)
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  const direct = await RawClient.connect(stock)
  await direct.run(SETUP)
  url.port = String(await localProxy(t, server, undefined, 2))
  const pair = { stock: direct, proxy: await RawClient.connect(url.href) }
  const others = [await RawClient.connect(url.href), await RawClient.connect(url.href)]
  t.teardown(() => {
    for (const client of [pair.stock, pair.proxy, ...others]) client.close()
  })
  for (const line of LINES.trim().split('\n')) {
    await sameDialogue(t, pair, line)
    // whoever comes next gets another connection, and sees nothing of it
    for (const other of others) {
      await other.simple('SELECT 1')
      const seen = await other.value("SELECT coalesce(current_setting('app.tenant', true), '')")
      if (seen !== '') t.fail(`another client sees ${seen} after ${line}`)
    }
  }
})

t.test('a setting made in a transaction reaches the nodes that it uses', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const client = await RawClient.connect(cluster.url)
  t.teardown(() => client.close())
  await client.run(`CREATE TABLE events (k int); SELECT create_distributed_table('events', 'k');
    INSERT INTO events SELECT generate_series(1, 8)`)
  const shown = () => client.value("SELECT DISTINCT current_setting('work_mem') FROM events")
  // no function of this database sets anything yet
  await client.run("DO $$BEGIN PERFORM set_config('work_mem', '11MB', false); END$$")
  t.equal(await shown(), '11MB')
  await client.run("DO $$BEGIN EXECUTE 'SET work_' || 'mem = ''12MB'''; END$$")
  t.equal(await shown(), '12MB')
  await client.run('CREATE SCHEMA aside; CREATE TABLE aside.events (k int)')
  await client.run('DO $$BEGIN SET search_path = aside; END$$')
  t.equal(await client.value('SELECT count(*) FROM events'), '0', 'names mean what they mean there')
  await client.run('DO $$BEGIN RESET search_path; END$$')
  t.equal(await client.value('SELECT count(*) FROM events'), '8')
  await client.run("SELECT set_config('WORK_MEM', '13MB', false)")
  t.equal(await shown(), '13MB')
  await client.run(SETUP)
  const seen = async () =>
    client.value(`SELECT string_agg(DISTINCT coalesce(current_setting('app.tenant', true), ''), ',')
      FROM events`)
  const routed = () =>
    client.value("SELECT current_setting('app.tenant', true) FROM events WHERE k = 1")
  await client.run(
    "CREATE FUNCTION be_z() RETURNS text BEGIN ATOMIC SELECT set_config('app.zone', 'z', false); END",
  )
  await client.run('SELECT be_z()')
  t.equal(
    await client.value("SELECT DISTINCT current_setting('app.zone', true) FROM events"),
    'z',
    'bodies of standard SQL are read too',
  )
  await client.run("DO $$BEGIN PERFORM set_config('app.tenant', 'do', false); END$$")
  t.equal(await routed(), 'do')
  t.equal(await seen(), 'do')
  await client.run('BEGIN')
  await client.extended("SELECT set_config('app.tenant', $1, true)", ['a'], 'text')
  t.equal(await routed(), 'a')
  t.equal(await seen(), 'a')
  await client.run("SELECT be('b')")
  t.equal(await routed(), 'b')
  await client.run('COMMIT')
  t.equal(await routed(), 'b')
  t.equal(await seen(), 'b')
})
