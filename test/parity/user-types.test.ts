import t from 'tap'
import type { Answer, Parameter } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

const TYPES = `
  CREATE SCHEMA shop;
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy''s');
  CREATE DOMAIN shop.amount AS numeric(10,2) DEFAULT 1.5 NOT NULL CHECK (VALUE >= 0);
  CREATE DOMAIN word AS text COLLATE "C" CONSTRAINT short CHECK (length(VALUE) < 20);
  CREATE TYPE shop."Point" AS (x int, "y Y" text, at timestamptz);
  CREATE TYPE spans AS RANGE (subtype = float8, subtype_diff = float8mi);
  CREATE TYPE moods AS RANGE (subtype = mood)`

const TABLE = `
  CREATE TABLE things (id int, m mood DEFAULT 'ok', a shop.amount, w word, p shop."Point", s spans, ms moods,
    mr spans_multirange, t timestamptz, b bytea, i interval, f float8, PRIMARY KEY (id));
  INSERT INTO things SELECT g, (ARRAY['sad', 'ok', 'happy''s'])[1 + g % 3]::mood, g, 'w' || g % 4,
    ROW(g, 'y "' || g, '2020-01-01 00:00Z'::timestamptz + g * interval '1 hour')::shop."Point", spans(g, g + 1), moods('sad', 'happy''s'),
    spans_multirange(spans(g, g + 2)), '2021-06-01 12:00Z'::timestamptz + g * interval '1 day', decode(md5(g::text), 'hex'),
    g * interval '1 day 2 hours', g / 7.0 FROM generate_series(1, 60) g`

/** Each with a total order. */
const QUERIES: readonly (readonly [sql: string, parameters?: readonly Parameter[]])[] = [
  ['SELECT * FROM things WHERE id = 7'],
  ['SELECT * FROM things ORDER BY id'],
  ['SELECT id, m FROM things ORDER BY m, id'],
  ['SELECT m, count(*), min(a), max(m), sum(a) FROM things GROUP BY m ORDER BY m'],
  ['SELECT max(m), min(m) FROM things'],
  ['SELECT DISTINCT m FROM things ORDER BY m DESC'],
  ['SELECT DISTINCT w FROM things ORDER BY w'],
  ['SELECT id, (p).x, (p)."y Y" FROM things ORDER BY p DESC LIMIT 5'],
  ['SELECT p FROM things ORDER BY p LIMIT 3'],
  ['SELECT s, mr FROM things ORDER BY s LIMIT 3'],
  ['SELECT ms, count(*) FROM things GROUP BY ms'],
  ['SELECT x.id, y.m FROM things x JOIN things y ON x.id = y.id + 1 ORDER BY 1'],
  ["SELECT id FROM things WHERE m = 'sad' ORDER BY id"],
  ["SELECT id FROM things WHERE m >= 'ok'::mood ORDER BY id"],
  ['SELECT id FROM things WHERE m = $1 ORDER BY id', ["happy's"]],
  ['SELECT id, m FROM things WHERE m = $1 AND id = $2', ['ok', '4']],
  ['SELECT id, $2::mood, $3::shop.amount FROM things WHERE id = $1', ['4', 'sad', '7.25']],
  ['SELECT id FROM things WHERE s @> 5.5::float8 ORDER BY id'],
  ["SELECT id FROM things WHERE p = ROW(3, 'y \"3', '2020-01-01 03:00Z')::shop.\"Point\""],
  ['SELECT count(*) FROM things WHERE m = ANY (enum_range(NULL::mood))'],
  ["SELECT id, m::text, a + 1, w || '!' FROM things WHERE id < 5 ORDER BY id"],
]

const CHANGES: readonly (readonly [sql: string, parameters?: readonly Parameter[]])[] = [
  ["INSERT INTO things (id, m, a) VALUES (101, 'sad', 5), (102, 'ok', 6) RETURNING m, a"],
  ['INSERT INTO things (id, m, a, p) VALUES ($1, $2, $3, $4)', ['103', 'sad', '1', '(1,"a b",)']],
  ['INSERT INTO things (id, a) VALUES (104, -1)'],
  ["INSERT INTO things (id, m) VALUES (105, 'angry')"],
  ["INSERT INTO things (id, m, a) SELECT g, 'ok', g FROM generate_series(110, 130) g"],
  ['INSERT INTO things SELECT id + 1000, m, a, w, p, s, ms, mr FROM things WHERE id < 20'],
  ["UPDATE things SET m = 'sad' WHERE m = 'ok'"],
  ['UPDATE things SET p.x = 99 WHERE id IN (5, 6, 7)'],
  ['DELETE FROM things WHERE m = $1 AND id > 1000', ['sad']],
  ["ALTER TYPE mood ADD VALUE 'furious' BEFORE 'sad'"],
  ["INSERT INTO things (id, m, a) VALUES (140, 'furious', 1), (141, 'furious', 1)"],
  ["ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'"],
  ['SELECT DISTINCT m FROM things ORDER BY 1'],
  ['ALTER DOMAIN shop.amount ADD CONSTRAINT small CHECK (VALUE < 50)'],
  ['ALTER DOMAIN shop.amount ADD CONSTRAINT small CHECK (VALUE < 50000)'],
  ['INSERT INTO things (id, a) VALUES (142, 60000)'],
  ['ALTER DOMAIN shop.amount DROP CONSTRAINT small'],
  ['INSERT INTO things (id, a) VALUES (142, 60000)'],
  ['ALTER TYPE mood RENAME TO feeling'],
  ["INSERT INTO things (id, m, a) VALUES (143, 'fine'::feeling, 1)"],
  ["SELECT id, m FROM things WHERE m = 'fine'::feeling ORDER BY id"],
  ["CREATE TYPE later AS ENUM ('x', 'y')"],
  ["ALTER TABLE things ADD COLUMN l later DEFAULT 'y'"],
  ['SELECT l, count(*) FROM things GROUP BY l'],
  ["UPDATE things SET l = 'x' WHERE id % 2 = 0"],
  ['SELECT l, count(*) FROM things GROUP BY l ORDER BY l'],
  ['DROP TYPE later'],
  ['ALTER TABLE things DROP COLUMN l'],
  ['DROP TYPE later'],
  ["CREATE TYPE later AS ENUM ('z')"],
  ['ALTER TABLE things ADD COLUMN l later'],
  ["INSERT INTO things (id, a, l) VALUES (150, 1, 'z') RETURNING l"],
]

/** OIDs of user types differ between any two databases. */
function comparable({ results, error, status }: Answer): unknown {
  if (error !== undefined) return { error: error.sqlState, status }
  return {
    status,
    results: results.map((result) => ({
      ...result,
      fields: result.fields?.map((field) => ({
        ...field,
        typeOid: field.typeOid >= 16384 ? 'user' : field.typeOid,
      })),
    })),
  }
}

t.test('types created by users in distributed tables', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  for (const sql of [...TYPES.split(';'), ...TABLE.split(';')]) {
    await pair.stock.run(sql)
    await pair.proxy.run(sql)
  }
  // the nodes' OIDs must not agree by chance
  await pair.proxy.run("SELECT run_command_on_workers('CREATE TYPE other AS ENUM ()')")
  await pair.proxy.run("SELECT create_distributed_table('things', 'id')")
  const same = async (
    t: { same: (a: unknown, b: unknown, c: string) => unknown },
    sql: string,
    parameters?: readonly Parameter[],
  ) => {
    for (const way of ['simple', 'text', 'binary'] as const) {
      if (way === 'simple' && parameters !== undefined) continue
      if (
        way !== 'simple' &&
        !sql.startsWith('SELECT') &&
        (parameters === undefined || way === 'binary')
      )
        continue
      const ask = (side: 'stock' | 'proxy') =>
        way === 'simple' ? pair[side].simple(sql) : pair[side].extended(sql, parameters ?? [], way)
      const stock = await ask('stock')
      const proxy = await ask('proxy')
      t.same(
        { ...(comparable(proxy) as object), message: proxy.error?.message !== undefined },
        { ...(comparable(stock) as object), message: stock.error?.message !== undefined },
        `${sql} (${way}) ${proxy.error?.message ?? ''}`,
      )
    }
  }

  await t.test("are the coordinator's to clients", async (t) => {
    const oid = await pair.proxy.value("SELECT 'mood'::regtype::oid::int")
    for (const sql of [
      'SELECT m FROM things WHERE id = 5',
      'SELECT m FROM things',
      'SELECT max(m) FROM things',
    ]) {
      const { results } = await pair.proxy.simple(sql)
      t.equal(results[0]?.fields?.[0]?.typeOid, Number(oid), sql)
    }
    const declared = await pair.proxy.extended(
      'SELECT id FROM things WHERE m = $1 AND id = $2',
      ['ok', '4'],
      'binary',
      [Number(oid), 23],
    )
    t.equal(declared.error, undefined)
    t.equal(declared.results[0]?.rows.length, 1)
    const everywhere = await pair.proxy.extended(
      'SELECT id FROM things WHERE m = $1',
      ['ok'],
      'text',
      [Number(oid)],
    )
    t.equal(everywhere.results[0]?.rows.length, 20)
  })

  await t.test('in results and parameters', async (t) => {
    for (const [sql, parameters] of QUERIES) await same(t, sql, parameters)
  })

  await t.test('as the session prints values', async (t) => {
    for (const setting of [
      "DateStyle = 'SQL, DMY'",
      "TimeZone = 'Asia/Kathmandu'",
      "IntervalStyle = 'iso_8601'",
      "bytea_output = 'escape'",
      'extra_float_digits = -3',
    ]) {
      await pair.stock.run(`SET ${setting}`)
      await pair.proxy.run(`SET ${setting}`)
      await same(t, 'SELECT t, b, i, f, p FROM things WHERE id = 9')
      await same(t, 'SELECT t, b, i, f, p, s FROM things ORDER BY id')
      await same(t, 'SELECT max(t), max(i), max(a), max(f) FROM things')
    }
    await pair.stock.run('RESET ALL')
    await pair.proxy.run('RESET ALL')
  })

  await t.test('change as on one Postgres', async (t) => {
    for (const [sql, parameters] of CHANGES) {
      await same(t, sql, parameters)
      await same(t, 'SELECT * FROM things ORDER BY id')
    }
  })

  await t.test('what cannot be mapped on its way is refused in binary', async (t) => {
    for (const where of ['WHERE id = 5', '']) {
      const copy = (what: string, format: string) =>
        pair.proxy.simple(`COPY (SELECT ${what} FROM things ${where}) TO STDOUT (FORMAT ${format})`)
      for (const what of ['ARRAY[m]', 'ROW(m)', 'm']) {
        t.equal((await copy(what, 'binary')).error, undefined, what)
        t.equal((await copy(what, 'text')).error, undefined, what)
      }
    }
    await pair.proxy.run('BEGIN')
    await pair.proxy.run('DECLARE c BINARY CURSOR FOR SELECT ARRAY[m] FROM things WHERE id = 5')
    t.equal((await pair.proxy.simple('FETCH c')).error?.sqlState, '0A000')
    await pair.proxy.run('ROLLBACK')
  })

  await t.test(
    'in a reference table, in one transaction, and on a table dropped again',
    async (t) => {
      await pair.proxy.run(
        `BEGIN; CREATE TYPE size AS ENUM ('s', 'm', 'l'); CREATE TABLE sizes (s size PRIMARY KEY, name text);
       INSERT INTO sizes VALUES ('m', 'middle'); SELECT create_reference_table('sizes'); INSERT INTO sizes VALUES ('l', 'large'); COMMIT`,
      )
      const { results } = await pair.proxy.run(
        'SELECT t.id, z.s FROM things t, sizes z WHERE t.id = 5 ORDER BY z.s DESC',
      )
      t.same(
        results[0]?.rows.map((row) => row[1]),
        ['l', 'm'],
      )
      await pair.proxy.run(
        "BEGIN; CREATE TYPE gone AS ENUM ('a'); CREATE TABLE goes (id int, g gone); SELECT create_distributed_table('goes', 'id'); ROLLBACK",
      )
      await pair.proxy.run('DROP TABLE sizes; DROP TYPE size')
      await pair.proxy.run(
        "CREATE TYPE size AS ENUM ('xl'); CREATE TABLE sizes (id int, s size); SELECT create_distributed_table('sizes', 'id'); INSERT INTO sizes VALUES (1, 'xl'), (2, 'xl')",
      )
      t.equal(await pair.proxy.value("SELECT count(*) FROM sizes WHERE s = 'xl'"), '2')
    },
  )
})
