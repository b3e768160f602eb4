import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(180_000)

const SETUP = `CREATE TABLE events (k int); CREATE TABLE notes (k int); INSERT INTO notes VALUES (1);
  CREATE VIEW seen AS SELECT * FROM events; CREATE VIEW twice AS SELECT * FROM seen;
  CREATE VIEW plain AS SELECT * FROM notes;
  CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM events';
  CREATE PROCEDURE does() LANGUAGE sql AS 'SELECT count(*) FROM events';
  INSERT INTO events SELECT generate_series(1, 10)`

const UNSEEN = [
  'SELECT reads()',
  'SELECT public.reads() FROM notes',
  'SELECT 1; SELECT reads()',
  'CALL does()',
  'DO $$ BEGIN PERFORM count(*) FROM events; END $$',
  'SELECT count(*) FROM seen',
  'SELECT count(*) FROM public.twice',
  'CREATE TEMP TABLE copied AS SELECT * FROM twice',
  "SELECT query_to_xml('SELECT * FROM events', true, true, '')",
  'BEGIN; SELECT reads()',
]

const SEEN = [
  'SELECT count(*) FROM plain',
  'SELECT upper(relname) FROM pg_class LIMIT 1',
  'SHOW role',
]

t.test('a role that bypasses row security', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  const app = await RawClient.connect(cluster.url)
  const superuser = await RawClient.connect(cluster.url.replace('app@', 'postgres@'))
  t.teardown(() => {
    app.close()
    superuser.close()
  })
  await app.run(SETUP)
  await superuser.run(
    'SELECT reads(); SELECT count(*) FROM seen; CREATE ROLE seer BYPASSRLS LOGIN IN ROLE app',
  )
  await app.run("SELECT create_distributed_table('events', 'k')")

  async function stateOf(client: RawClient, sql: string): Promise<string | undefined> {
    const { error } = await client.simple(sql)
    await client.simple('ROLLBACK')
    return error?.sqlState
  }

  t.test('may not read distributed tables unseen', async (t) => {
    const seer = await RawClient.connect(cluster.url.replace('app@', 'seer@'))
    for (const sql of UNSEEN) {
      t.equal(await stateOf(superuser, sql), '0A000', sql)
      t.equal(await stateOf(seer, sql), '0A000', `${sql}, with BYPASSRLS`)
    }
    t.match((await superuser.simple('SELECT reads()')).error?.message, /bypass row security/)
    const { error } = await superuser.extended('SELECT reads()', [], 'text')
    t.equal(error?.sqlState, '0A000')
    seer.close()
  })

  t.test('may do all else', async (t) => {
    for (const sql of SEEN) t.equal(await stateOf(superuser, sql), undefined, sql)
    t.equal(await superuser.value('SELECT count(*) FROM events'), '10')
  })

  t.test('may become an ordinary one, whom the guards stop; and come back', async (t) => {
    await superuser.run('SET ROLE app')
    t.match(
      (await superuser.simple('SELECT reads()')).error?.message,
      /distributed|pgloom|"?events"?/,
    )
    t.notMatch((await superuser.simple('SELECT reads()')).error?.message, /bypass row security/)
    await superuser.run('RESET ROLE')
    t.match((await superuser.simple('SELECT reads()')).error?.message, /bypass row security/)
    await superuser.run('BEGIN; SET LOCAL SESSION AUTHORIZATION app')
    t.notMatch((await superuser.simple('SELECT reads()')).error?.message, /bypass row security/)
    await superuser.run('ROLLBACK')
    t.match((await superuser.simple('SELECT reads()')).error?.message, /bypass row security/)
  })

  t.test('is not asked while nothing is distributed', async (t) => {
    await app.run("SELECT undistribute_table('events')")
    t.equal(await superuser.value('SELECT reads()'), '10')
  })
})
