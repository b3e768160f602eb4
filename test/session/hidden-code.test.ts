import t from 'tap'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const LEAVES = `PERFORM set_config('my.leak', 'left', false); SET work_mem = '7MB';
  PERFORM pg_advisory_lock(77); CREATE TEMP TABLE IF NOT EXISTS left_behind (x int)`

const SETUP = `CREATE TABLE events (k int, v text); SELECT create_distributed_table('events', 'k');
  INSERT INTO events SELECT g, 'Va' || g FROM generate_series(1, 20) g;
  CREATE TABLE direct (a int); CREATE TABLE nested (a int); CREATE TABLE filled (a int);
  CREATE TABLE parents (a int PRIMARY KEY); CREATE TABLE children (a int REFERENCES parents ON DELETE CASCADE);
  CREATE VIEW seen AS SELECT * FROM direct; CREATE TABLE checked (a int);
  CREATE TABLE whole (a int) PARTITION BY LIST (a); CREATE TABLE part PARTITION OF whole DEFAULT;
  CREATE FUNCTION leaves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN ${LEAVES}; RETURN coalesce(NEW, OLD); END$$;
  CREATE FUNCTION gives() RETURNS int LANGUAGE plpgsql AS $$BEGIN ${LEAVES}; RETURN 1; END$$;
  CREATE FUNCTION goes_on() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO direct VALUES (1); RETURN NEW; END';
  CREATE TRIGGER t BEFORE INSERT ON direct FOR EACH ROW EXECUTE FUNCTION leaves();
  CREATE TRIGGER t BEFORE INSERT ON nested FOR EACH ROW EXECUTE FUNCTION goes_on();
  CREATE TRIGGER t BEFORE DELETE ON children FOR EACH ROW EXECUTE FUNCTION leaves();
  CREATE TRIGGER t BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION leaves();
  ALTER TABLE filled ADD COLUMN b int DEFAULT gives();
  ALTER TABLE checked ADD CHECK (gives() = 1);
  CREATE VIEW calling AS SELECT gives();
  INSERT INTO parents VALUES (1), (2), (3)`

const LEAVING = [
  'INSERT INTO direct VALUES (1)',
  'INSERT INTO nested VALUES (1)',
  'INSERT INTO seen VALUES (1)',
  'INSERT INTO filled (a) VALUES (1)',
  'INSERT INTO checked VALUES (1)',
  'INSERT INTO whole VALUES (1)',
  'DELETE FROM parents WHERE a = 1',
  'SELECT * FROM calling',
  'WITH w AS (INSERT INTO direct VALUES (1) RETURNING a) SELECT * FROM w',
  'BEGIN; INSERT INTO direct VALUES (1); COMMIT',
  'SELECT 1; INSERT INTO direct VALUES (1)',
  'PREPARE p AS INSERT INTO direct VALUES (1); EXECUTE p',
  'INSERT INTO events SELECT 100, gives()',
]

const STATE = `SELECT concat_ws('/', coalesce(current_setting('my.leak', true), ''), current_setting('work_mem'),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), to_regclass('left_behind'))`
const CLEAN = '/4MB/0'
const LEFT = 'left/7MB/1/left_behind'

t.test('Multigres, hidden state: code that no statement names', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  const app = await RawClient.connect(cluster.url)
  t.teardown(() => app.close())
  await app.run(SETUP)

  t.test('leaves to its session what it leaves, and nothing to others', async (t) => {
    for (const sql of LEAVING) {
      if (sql.startsWith('DELETE')) await app.run('INSERT INTO children VALUES (1)')
      const client = await RawClient.connect(cluster.url)
      await client.run(sql)
      t.equal(await client.value(STATE), LEFT, sql)
      t.equal(await app.value(STATE), CLEAN, `${sql}: others, while the session is there`)
      client.close()
      const next = await RawClient.connect(cluster.url)
      t.equal(await next.value(STATE), CLEAN, `${sql}: others, after it`)
      next.close()
    }
  })

  t.test('may be called by its number', async (t) => {
    const client = await RawClient.connect(cluster.url)
    const oid = Number(await app.value("SELECT 'gives'::regproc::oid"))
    const out = new FrameWriter(64)
    const mark = out.begin('F'.charCodeAt(0))
    out.int32(oid)
    for (const number of [0, 0, 0]) out.int16(number)
    out.end(mark)
    client.send(out.take())
    // answers come in order: the first is the call's
    await client.simple(STATE)
    t.equal((await client.simple('SELECT 1')).results[0]?.rows[0]?.[0], LEFT)
    t.equal(await app.value(STATE), CLEAN)
    client.close()
  })

  t.test(
    'is what an unqualified name means, where that is not the function of Postgres',
    async (t) => {
      await app.run(`CREATE SCHEMA mine; CREATE FUNCTION mine.lower(text) RETURNS text LANGUAGE sql AS $$SELECT 'mine'$$;
      CREATE FUNCTION public.abs(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 77';
      CREATE FUNCTION mine.meets(text, text) RETURNS text LANGUAGE sql AS $$SELECT 'met'$$;
      CREATE OPERATOR mine.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.meets);
      SET search_path = mine, pg_catalog, public`)
      t.equal(await app.value('SELECT lower(v) FROM events WHERE k = 1'), 'mine')
      t.equal(await app.value('SELECT count(DISTINCT lower(v)) FROM events'), '1')
      t.equal(await app.value("SELECT v || 'x' FROM events WHERE k = 1"), 'met')
      // writes, which are evaluated where the function is
      await app.run('BEGIN')
      await app.run('UPDATE events SET v = lower(v) WHERE k = 1')
      t.equal(await app.value('SELECT v FROM events WHERE k = 1'), 'mine')
      await app.run("UPDATE events SET v = v || 'x' WHERE k = 1")
      t.equal(await app.value('SELECT v FROM events WHERE k = 1'), 'met')
      await app.run("DELETE FROM events WHERE lower(v) = 'mine'")
      t.equal(await app.value('SELECT count(*) FROM events'), '0')
      await app.run('ROLLBACK')
      const upsert =
        'INSERT INTO events VALUES (1) ON CONFLICT (k) DO UPDATE SET v = lower(events.v)'
      t.equal((await app.simple(upsert)).error?.sqlState, '42P10')
      await app.run(`BEGIN; CREATE UNIQUE INDEX ON events (k); ${upsert}`)
      t.equal(await app.value('SELECT v FROM events WHERE k = 1'), 'mine')
      await app.run('ROLLBACK')
      await app.run('RESET search_path')
      t.equal(await app.value('SELECT sum(abs(v)) FROM events WHERE k <= 20'), '1540')
      t.equal(await app.value('SELECT pg_catalog.lower(v) FROM events WHERE k = 1'), 'va1')
    },
  )

  t.test('is not hidden in an UPDATE of pg_settings', async (t) => {
    const { error } = await app.simple(
      "UPDATE pg_settings SET setting = '9MB' WHERE name = 'work_mem'",
    )
    t.equal(error?.sqlState, '0A000')
  })
})

t.test('views of a session', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  const app = await RawClient.connect(cluster.url)
  t.teardown(() => app.close())
  await app.run(`CREATE TABLE events (k int); SELECT create_distributed_table('events', 'k')`)
  const stateOf = async (sql: string) => (await app.simple(sql)).error?.sqlState

  t.test('are shown while the server knows all of it', async (t) => {
    t.equal(await app.value('SELECT count(*) FROM pg_listening_channels()'), '0')
    await app.run('BEGIN; DECLARE c CURSOR FOR SELECT * FROM events; DECLARE d CURSOR FOR SELECT 1')
    t.equal(await app.value('SELECT count(*) FROM pg_cursors'), '2')
    await app.run('DECLARE e CURSOR FOR SELECT * FROM events WHERE k = 1')
    t.equal(await stateOf('SELECT count(*) FROM pg_cursors'), '0A000')
    await app.run('ROLLBACK')
  })

  t.test('are refused else', async (t) => {
    await app.run('LISTEN channel')
    t.equal(await stateOf('SELECT pg_listening_channels()'), '0A000')
    t.equal(await stateOf('SELECT * FROM pg_catalog.pg_prepared_statements'), '0A000')
    const { error } = await app.extended('SELECT * FROM pg_prepared_statements', [], 'text')
    t.equal(error?.sqlState, '0A000')
  })
})
