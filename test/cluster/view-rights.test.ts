import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const READ = 'SELECT count(*) FROM shown'

t.test('who may read a view over a distributed table', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  const app = await RawClient.connect(cluster.url)
  const superuser = await RawClient.connect(cluster.url.replace('app@', 'postgres@'))
  await superuser.run('CREATE ROLE reader LOGIN; CREATE ROLE other LOGIN')
  for (const sql of [
    'CREATE TABLE events (k int PRIMARY KEY, v int)',
    `SELECT create_distributed_table('events', 'k')`,
    'INSERT INTO events SELECT g, g FROM generate_series(1, 10) g',
    'CREATE VIEW shown AS SELECT k, v FROM events',
    'CREATE VIEW invoked WITH (security_invoker) AS SELECT k FROM events',
    'CREATE VIEW nested AS SELECT k FROM shown',
    'GRANT SELECT ON invoked, nested TO reader',
  ]) {
    await app.run(sql)
  }
  for (const role of ['reader', 'other']) {
    await superuser.run(
      `SELECT run_command_on_workers('DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ''${role}'') THEN CREATE ROLE ${role} LOGIN; END IF; END$$')`,
    )
  }
  const reader = await RawClient.connect(cluster.url.replace('app@', 'reader@'))
  t.teardown(() => {
    for (const client of [app, superuser, reader]) client.close()
  })

  const stateOf = async (client: RawClient, sql: string): Promise<string | undefined> =>
    (await client.simple(sql)).error?.sqlState

  t.equal(await app.value(READ), '10', 'its owner')
  t.equal(await superuser.value(READ), '10', 'a superuser')
  t.equal(await stateOf(reader, READ), '42501', 'nobody without rights on the view')
  t.equal(await stateOf(reader, 'SELECT count(*) FROM invoked'), '42501', 'nor on what it reads')
  t.equal(
    await stateOf(reader, 'SELECT count(*) FROM nested'),
    '0A000',
    "one who has the view's rights alone is refused, as the shards don't know them",
  )
  await app.run('GRANT SELECT ON events TO reader')
  t.equal(await reader.value('SELECT count(*) FROM nested'), '10')
  t.equal(await reader.value('SELECT count(*) FROM invoked'), '10')
  t.equal(await stateOf(reader, READ), '42501', 'rights on the table are none on the view')
  const { error } = await reader.extended(READ, [], 'text')
  t.equal(error?.sqlState, '42501', 'nor by the extended protocol')
  await reader.run('SET search_path = public')
  t.equal(await stateOf(reader, 'SELECT k FROM nested FOR UPDATE'), '42501', 'nor to lock')

  await t.test('an owner without rights gives none', async (t) => {
    await superuser.run(
      'CREATE SCHEMA own AUTHORIZATION other; GRANT SELECT ON events TO other; SET ROLE other',
    )
    await superuser.run('CREATE VIEW own.theirs AS SELECT k FROM public.events')
    await superuser.run('GRANT USAGE ON SCHEMA own TO reader; GRANT SELECT ON own.theirs TO reader')
    await superuser.run('RESET ROLE')
    t.equal(await reader.value('SELECT count(*) FROM own.theirs'), '10')
    await app.run('REVOKE SELECT ON events FROM other')
    t.equal(await stateOf(reader, 'SELECT count(*) FROM own.theirs'), '42501')
  })

  await t.test('and who may write through it', async (t) => {
    const writes = [
      'INSERT INTO shown VALUES (11, 11)',
      'UPDATE shown SET v = v + 1 WHERE k > 10',
      'DELETE FROM shown WHERE k = 11',
    ]
    for (const sql of writes) {
      t.equal(await stateOf(reader, sql), '42501', `${sql}: nobody without rights on the view`)
    }
    await app.run('GRANT INSERT, UPDATE, DELETE ON shown TO reader')
    t.equal(await stateOf(reader, writes[0] ?? ''), '0A000', "with the view's rights alone")
    await app.run('GRANT INSERT, UPDATE, DELETE ON events TO reader')
    t.equal(await stateOf(reader, writes[0] ?? ''), undefined)
    t.equal(await stateOf(reader, writes[1] ?? ''), '42501', 'who may not read what it asks for')
    await app.run('GRANT SELECT ON shown TO reader')
    t.equal(await stateOf(reader, writes[1] ?? ''), undefined)
    t.equal(await app.value('SELECT v FROM events WHERE k = 11'), '12')
    await app.run('GRANT INSERT ON own.theirs TO reader').catch(() => undefined)
    await superuser.run('GRANT INSERT ON own.theirs TO reader')
    t.equal(
      await stateOf(reader, 'INSERT INTO own.theirs VALUES (12)'),
      '42501',
      'whose owner may not write, nobody may',
    )
    t.equal(await stateOf(superuser, writes[2] ?? ''), undefined, 'a superuser may')
    await app.run('REVOKE SELECT ON shown FROM reader')
    t.equal(await app.value('SELECT sum(v) FROM events'), '55')
  })

  await t.test('who knows an old definition is told to retry', async (t) => {
    await app.run('BEGIN')
    t.equal(await app.value(READ), '10')
    await app.run('ROLLBACK')
    await superuser.run(
      `SET ROLE app; CREATE OR REPLACE VIEW shown AS SELECT k, v FROM events WHERE k < 4; RESET ROLE`,
    )
    t.equal(await app.value(READ), '3')
  })
})
