import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const SETUP = `CREATE TABLE events (k int); CREATE TABLE notes (k int); INSERT INTO notes VALUES (1);
  CREATE VIEW seen AS SELECT * FROM events; CREATE VIEW twice AS SELECT * FROM seen;
  CREATE VIEW plain AS SELECT * FROM notes;
  CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM events';
  CREATE PROCEDURE does() LANGUAGE sql AS 'SELECT count(*) FROM events';
  CREATE FUNCTION plans() RETURNS bigint LANGUAGE plpgsql AS
    'DECLARE n bigint; BEGIN EXECUTE format($$SELECT count(*) FROM %I$$, $$ev$$ || $$ents$$) INTO n; RETURN n; END';
  CREATE FUNCTION loops() RETURNS void LANGUAGE plpgsql AS
    'DECLARE r record; BEGIN FOR r IN SELECT * FROM events LOOP NULL; END LOOP; END';
  CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS
    'DECLARE c CURSOR FOR SELECT * FROM events; BEGIN OPEN c; RETURN c; END';
  CREATE FUNCTION writes() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO events VALUES (99); RETURN NEW; END';
  CREATE FUNCTION deletes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM events; RETURN NEW; END';
  CREATE TABLE written (k int); CREATE TRIGGER w BEFORE INSERT ON written FOR EACH ROW EXECUTE FUNCTION writes();
  CREATE TABLE deleted (k int); CREATE TRIGGER w AFTER INSERT ON deleted FOR EACH ROW EXECUTE FUNCTION deletes();
  CREATE TABLE ruled (k int); CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO events VALUES (98);
  CREATE TABLE counted (k int, n bigint DEFAULT reads());
  CREATE MATERIALIZED VIEW matter AS SELECT count(*) FROM events;
  INSERT INTO events SELECT generate_series(1, 10)`

const UNSEEN = [
  'SELECT reads()',
  'SELECT public.reads() FROM notes',
  'SELECT 1; SELECT reads()',
  'CALL does()',
  'DO $$ BEGIN PERFORM count(*) FROM events; END $$',
  "SELECT query_to_xml('SELECT * FROM events', true, true, '')",
  'BEGIN; SELECT reads()',
  'SELECT plans()',
  'SELECT loops()',
  'SELECT opens()',
  'INSERT INTO written VALUES (1)',
  'INSERT INTO deleted VALUES (1)',
  'INSERT INTO ruled VALUES (1)',
  'INSERT INTO counted VALUES (1)',
  'REFRESH MATERIALIZED VIEW matter',
  'CREATE TABLE y AS SELECT reads()',
  "DO $$ BEGIN EXECUTE 'CREATE TABLE z AS SELECT * FROM events'; END $$",
]

/** By views, which the proxy reads itself: each ends with the number of rows. */
const BY_VIEWS = [
  'SELECT count(*) FROM seen',
  'SELECT count(*) FROM public.twice',
  'BEGIN; CREATE TEMP TABLE copied AS SELECT * FROM twice; SELECT count(*) FROM copied',
  'PREPARE p AS SELECT count(*) FROM seen; EXECUTE p',
  'BEGIN; DECLARE c CURSOR FOR SELECT count(*) FROM seen; FETCH c',
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
    for (const sql of BY_VIEWS) {
      const { results, error } = await superuser.simple(sql)
      t.same(results.at(-1)?.rows, [['10']], `${sql} ${error?.message ?? ''}`)
      await superuser.simple('ROLLBACK')
    }
    const { error } = await superuser.extended('SELECT reads()', [], 'text')
    t.equal(error?.sqlState, '0A000')
    t.match(error?.message, 'distributed table "events" accessed directly on a node')
    t.equal(await superuser.value('SELECT count(*) FROM events'), '10', 'nothing has changed')
    seer.close()
  })

  t.test('may do all else', async (t) => {
    for (const sql of SEEN) t.equal(await stateOf(superuser, sql), undefined, sql)
    t.equal(await superuser.value('SELECT count(*) FROM events'), '10')
  })

  t.test('works with foreign keys, statistics and new tables like guarded ones', async (t) => {
    await superuser.run(`CREATE TABLE parents (k int PRIMARY KEY); SELECT create_reference_table('parents');
      INSERT INTO parents VALUES (1), (2), (3);
      CREATE TABLE children (k int, p int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE, PRIMARY KEY (k));
      SELECT create_distributed_table('children', 'k');
      INSERT INTO children SELECT g, 1 + g % 3 FROM generate_series(1, 9) g;
      DELETE FROM parents WHERE k = 1; UPDATE parents SET k = 20 WHERE k = 2;
      ANALYZE; CREATE INDEX ON children (p);
      ALTER TABLE children ADD COLUMN more int DEFAULT 7;
      ALTER TABLE children DROP CONSTRAINT children_p_fkey;
      ALTER TABLE children ADD FOREIGN KEY (p) REFERENCES parents ON DELETE CASCADE`)
    await superuser.run('VACUUM children')
    t.same(
      (await superuser.run('SELECT p, count(*), sum(more) FROM children GROUP BY p ORDER BY p'))
        .results[0]?.rows,
      [
        ['3', '3', '21'],
        ['20', '3', '21'],
      ],
    )
    await superuser.run('CREATE TABLE alike (LIKE children INCLUDING ALL, x int)')
    t.equal(await superuser.value('SELECT count(*) FROM alike'), '0')
    await superuser.run('CREATE TABLE referrers (k int REFERENCES children)')
    t.equal(await stateOf(superuser, 'INSERT INTO referrers VALUES (1)'), '0A000')
    await superuser.run('CREATE TABLE filled (k int); INSERT INTO filled VALUES (2)')
    t.equal(
      await stateOf(superuser, 'ALTER TABLE filled ADD FOREIGN KEY (k) REFERENCES children'),
      '0A000',
    )
    t.equal(
      await superuser.value('SELECT count(*) FROM pg_statistic_ext'),
      '0',
      'guards are not shown',
    )
  })

  t.test('may become an ordinary one, whom the guards stop; and come back', async (t) => {
    await superuser.run('SET ROLE app')
    t.equal(await stateOf(superuser, 'SELECT reads()'), '0A000')
    await superuser.run('RESET ROLE')
    t.equal(await stateOf(superuser, 'SELECT reads()'), '0A000')
  })

  t.test('reads what is distributed no longer', async (t) => {
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
      // functions are not made on the workers
      t.match(error?.sqlState, /^(0A000|42883)$/, `${sql}, ${workers} workers`)
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
      t.match(error?.sqlState, /^(0A000|42883)$/, sql)
    }
    fresh.close()
  }
})
