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

t.test('all that runs as such a role, with and without workers', async (t) => {
  for (const workers of [0, 1]) {
    const cluster = await DevCluster.start(t, workers)
    const app = await RawClient.connect(cluster.url)
    const superuser = await RawClient.connect(cluster.url.replace('app@', 'postgres@'))
    t.teardown(() => {
      app.close()
      superuser.close()
    })
    await app.run(`CREATE TABLE events (k int, n bigint); CREATE TABLE notes (k int);
      INSERT INTO events SELECT g, g FROM generate_series(1, 10) g;
      SELECT create_distributed_table('events', 'k')`)
    await superuser.run(`CREATE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT 1';
      DO $$BEGIN PERFORM count(*) FROM notes; END$$`)
    t.equal(await superuser.value('SELECT plain()'), '1', 'what reads none may run')
    // functions are not made on the workers
    if (workers === 0) t.equal(await superuser.value('SELECT plain() FROM events WHERE k = 1'), '1')
    await superuser.run('INSERT INTO notes VALUES (plain())')
    await app.run(`CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM events';
      CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.k := (SELECT count(*) FROM events); RETURN NEW; END';
      CREATE TRIGGER noted BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION noted()`)
    await superuser.run('SELECT 1; ALTER TABLE notes ADD COLUMN added int')
    for (const sql of [
      'SELECT reads() FROM events WHERE k = 1',
      'UPDATE events SET n = reads() WHERE k = 1',
      'INSERT INTO events VALUES (1, reads())',
      'INSERT INTO events SELECT 1, reads()',
      'COPY (SELECT reads() FROM events WHERE k = 1) TO STDOUT',
      'EXPLAIN ANALYZE SELECT reads() FROM events WHERE k = 1',
      'INSERT INTO notes VALUES (1)',
      'PREPARE p AS INSERT INTO events SELECT 1, reads(); EXECUTE p',
    ]) {
      const { error } = await superuser.simple(sql)
      t.equal(error?.sqlState, '0A000', `${sql}, ${workers} workers`)
      t.ok(
        (await app.simple(sql)).error,
        `${sql}, ${workers} workers: an ordinary role is stopped too`,
      )
    }
    t.equal(await app.value('SELECT sum(n) FROM events'), '55')

    await superuser.run(`CREATE FUNCTION definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER
      AS 'SELECT reads()'`)
    const fresh = await RawClient.connect(cluster.url)
    for (const sql of ['SELECT definer()', 'SELECT definer() FROM events WHERE k = 1']) {
      const { error } = await fresh.simple(sql)
      t.equal(error?.sqlState, '0A000', sql)
      t.match(error?.message, /owner who bypasses row security/)
    }
    await superuser.run('ALTER FUNCTION definer() OWNER TO app')
    fresh.close()
    const other = await RawClient.connect(cluster.url)
    t.notMatch((await other.simple('SELECT definer()')).error?.message, /bypasses/)
    other.close()
  }
})
