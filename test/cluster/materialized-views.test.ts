import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

t.test('materialized views over distributed tables', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  const app = await RawClient.connect(cluster.url)
  const superuser = await RawClient.connect(cluster.url.replace('app@', 'postgres@'))
  await superuser.run('CREATE ROLE reader LOGIN; CREATE ROLE heir LOGIN; GRANT heir TO app')
  for (const role of ['reader', 'heir']) {
    await superuser.run(
      `SELECT run_command_on_workers('DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ''${role}'') THEN CREATE ROLE ${role} LOGIN; END IF; END$$')`,
    )
  }
  for (const sql of [
    'CREATE TABLE events (k int PRIMARY KEY, v int)',
    `SELECT create_distributed_table('events', 'k')`,
    'INSERT INTO events SELECT g, g FROM generate_series(1, 10) g',
    'CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM events',
    'CREATE FUNCTION own(x int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT x $$',
    'CREATE MATERIALIZED VIEW calling AS SELECT own(k) AS k FROM events',
  ]) {
    await app.run(sql)
  }
  const reader = await RawClient.connect(cluster.url.replace('app@', 'reader@'))
  t.teardown(() => {
    for (const client of [app, superuser, reader]) client.close()
  })
  const stateOf = async (client: RawClient, sql: string): Promise<string | undefined> =>
    (await client.simple(sql)).error?.sqlState
  const queries = () =>
    superuser.value(
      "SELECT run_command_on_coordinator($$SELECT count(*) FROM pg_class WHERE relnamespace = 'pgloom_matview'::regnamespace$$)",
    )

  await t.test('are read by their readers and refreshed by their owners', async (t) => {
    t.equal(await stateOf(reader, 'SELECT n FROM kept'), '42501')
    await app.run('GRANT SELECT ON kept TO reader')
    t.equal(await reader.value('SELECT n FROM kept'), '10', 'without rights on the table')
    t.equal(await stateOf(reader, 'REFRESH MATERIALIZED VIEW kept'), '42501')
    await app.run('INSERT INTO events VALUES (11, 11)')
    await superuser.run('REFRESH MATERIALIZED VIEW kept')
    t.equal(await reader.value('SELECT n FROM kept'), '11', 'a superuser may as well')
    t.equal(
      await stateOf(superuser, 'REFRESH MATERIALIZED VIEW calling'),
      '0A000',
      "but does not run the owner's functions",
    )
    await app.run('REFRESH MATERIALIZED VIEW calling')
    t.equal(await app.value('SELECT count(*) FROM calling'), '11')
  })

  await t.test('follow a change of their owner', async (t) => {
    await app.run('GRANT CREATE ON SCHEMA public TO heir').catch(() => undefined)
    await superuser.run('GRANT CREATE ON SCHEMA public TO heir')
    await app.run('ALTER MATERIALIZED VIEW kept OWNER TO heir')
    t.equal(
      await stateOf(app, 'REFRESH MATERIALIZED VIEW kept'),
      '42501',
      'the new owner may not read the table',
    )
    await app.run('GRANT SELECT ON events TO heir')
    await app.run('REFRESH MATERIALIZED VIEW kept')
    const heir = await RawClient.connect(cluster.url.replace('app@', 'heir@'))
    await heir.run('REFRESH MATERIALIZED VIEW kept')
    t.equal(await heir.value('SELECT n FROM kept'), '11')
    heir.close()
  })

  await t.test('are not refreshed where nobody brings the rows', async (t) => {
    const refreshed = await superuser.simple(
      "SELECT run_command_on_coordinator('REFRESH MATERIALIZED VIEW kept')",
    )
    t.match(JSON.stringify(refreshed), /accessed directly/)
    t.equal(await app.value('SELECT n FROM kept'), '11')
  })

  await t.test('are refreshed one after the other', async (t) => {
    await app.run('BEGIN; REFRESH MATERIALIZED VIEW calling')
    const other = await RawClient.connect(cluster.url)
    await other.run("SET lock_timeout = '100ms'")
    t.equal(await stateOf(other, 'REFRESH MATERIALIZED VIEW calling'), '55P03')
    other.close()
    await app.run('ROLLBACK')
  })

  await t.test('take their queries along when they go', async (t) => {
    await app.run('CREATE SCHEMA brief')
    await app.run('CREATE MATERIALIZED VIEW brief.one AS SELECT k FROM events')
    await app.run('DROP SCHEMA brief CASCADE')
    await app.run('DROP MATERIALIZED VIEW calling')
    const before = await queries()
    t.match(before, /1/, `one is left: ${before}`)
    t.equal(await stateOf(app, 'DROP TABLE events'), '2BP01')
    await app.run('DROP TABLE events CASCADE')
    t.match(await queries(), /0/)
    t.equal(await stateOf(app, 'SELECT * FROM kept'), '42P01')
  })
})
