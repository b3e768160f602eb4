import { serialize } from 'pg-protocol'
import t from 'tap'
import type { Answer, RawClient } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

const TYPES = `
  CREATE SCHEMA shop;
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy''s');
  CREATE DOMAIN shop.amount AS numeric(10,2) CHECK (VALUE >= 0);
  CREATE DOMAIN moods AS mood[] CHECK (cardinality(VALUE) < 9);
  CREATE TYPE shop.face AS (m mood, "At" int, why text);
  CREATE TYPE crowd AS (faces shop.face[], best mood, a shop.amount, ms moods);
  CREATE TYPE mood_range AS RANGE (subtype = mood);
  CREATE TYPE face_range AS RANGE (subtype = shop.face)`

const COLUMNS = `id int PRIMARY KEY, ms mood[], d moods, am shop.amount[], f shop.face, fs shop.face[], c crowd, r mood_range,
  mr mood_multirange, rs mood_range[], fr face_range, fm face_multirange`

const VALUES = `SELECT g, CASE WHEN g % 7 > 0 THEN ARRAY['sad', 'ok', NULL]::mood[] || (ARRAY['sad', 'ok', 'happy''s']::mood[])[1 + g % 3] END,
  ARRAY[['ok', 'sad'], ['sad', 'ok']]::mood[], ARRAY[g, NULL]::shop.amount[], ROW('ok', g, 'a,"b')::shop.face,
  ARRAY[ROW('sad', g, NULL), NULL, ROW(NULL, 1, '')]::shop.face[],
  ROW(ARRAY[ROW('ok', g, 'x')]::shop.face[], 'sad', g, ARRAY['ok'])::crowd,
  mood_range('sad', (ARRAY['ok', 'happy''s']::mood[])[1 + g % 2]),
  mood_multirange(mood_range('sad', 'ok'), mood_range('happy''s', NULL)), ARRAY[mood_range('sad', 'ok'), 'empty', NULL]::mood_range[],
  face_range(ROW('sad', g, 'x')::shop.face, ROW('ok', g, 'y')::shop.face), face_multirange(face_range(ROW('ok', g, 'x')::shop.face, NULL))
  FROM generate_series`

const TYPE_OF: Readonly<Record<string, string>> = {
  ms: 'mood[]',
  d: 'moods',
  am: 'shop.amount[]',
  f: 'shop.face',
  fs: 'shop.face[]',
  c: 'crowd',
  r: 'mood_range',
  mr: 'mood_multirange',
  rs: 'mood_range[]',
  fr: 'face_range',
  fm: 'face_multirange',
}

const STATEMENTS: readonly string[] = [
  'SELECT * FROM things WHERE id = 7',
  'SELECT * FROM things ORDER BY id',
  'SELECT ms, count(*) FROM things GROUP BY ms ORDER BY ms NULLS FIRST',
  'SELECT f, fs FROM things ORDER BY f DESC LIMIT 4',
  'SELECT DISTINCT ms, d FROM things ORDER BY 1, 2',
  'SELECT (c).best, (c).faces[1].m, (f)."At" FROM things WHERE id < 6 ORDER BY (f)."At"',
  'SELECT max(ms), min(ms), max(r::text) FROM things',
  "SELECT id FROM things WHERE 'happy''s' = ANY (ms) ORDER BY id",
  "SELECT id FROM things WHERE ms @> ARRAY['sad', 'happy''s']::mood[] ORDER BY id",
  'SELECT array_agg(f ORDER BY id) FROM things WHERE id < 5',
  'SELECT array_agg(ms ORDER BY id) FROM things WHERE id < 5 AND ms IS NOT NULL AND id <> 7',
  'SELECT unnest(ms) m, count(*) FROM things GROUP BY 1 ORDER BY 1',
  'SELECT id, ms[1], cardinality(fs) FROM things WHERE id = ANY (ARRAY[3, 4]) ORDER BY id',
  'SELECT a.id, b.ms FROM things a JOIN things b ON a.id = b.id + 1 AND a.d = b.d ORDER BY 1',
  'SELECT t.id, s.ms FROM things t JOIN side s ON s.ms = t.ms ORDER BY 1, 2 LIMIT 5',
  'SELECT t.id, l.f FROM things t JOIN local l ON l.f = t.f ORDER BY 1',
  'SELECT l.fs FROM local l WHERE l.fs IN (SELECT fs FROM things) ORDER BY 1',
  'WITH w AS MATERIALIZED (SELECT c, id FROM things ORDER BY id LIMIT 3) SELECT * FROM w ORDER BY id',
  "INSERT INTO things (id, ms, f) VALUES (200, '{sad,ok}', '(ok,1,x)'), (201, ARRAY['ok']::mood[], ROW('sad', 2, NULL)) RETURNING id, ms, f",
  "INSERT INTO things (id, ms) VALUES (202, '{angry}')",
  "UPDATE things SET ms = ms || 'ok'::mood WHERE id % 3 = 0",
  "UPDATE things SET ms[1] = 'happy''s', f.why = 'new' WHERE id = 5 RETURNING ms, f",
  'UPDATE things SET fs = s.fs FROM side s WHERE s.id = things.id + 1 AND things.id < 4',
  'INSERT INTO things SELECT id + 500, ms, d, am, f, fs, c, r, mr, rs, fr, fm FROM things WHERE id < 10',
  'INSERT INTO other SELECT id + 500, ms, d, am, f, fs, c, r, mr, rs, fr, fm FROM things WHERE id < 10 ON CONFLICT DO NOTHING',
  'INSERT INTO side SELECT id + 600, ms, d, am, f, fs, c, r, mr, rs, fr, fm FROM things WHERE id < 10',
  'INSERT INTO local SELECT id + 700, ms, d, am, f, fs, c, r, mr, rs, fr, fm FROM things WHERE id < 10',
  'UPDATE things SET id = id + 1000 WHERE id IN (3, 4)',
  'DELETE FROM things USING local l WHERE l.f = things.f AND things.id > 505',
  'MERGE INTO things t USING local l ON t.id = l.id WHEN MATCHED THEN UPDATE SET ms = l.ms, c = l.c WHEN NOT MATCHED THEN INSERT (id, fs) VALUES (l.id, l.fs)',
  'SELECT * FROM other ORDER BY id',
  'SELECT * FROM side ORDER BY id',
  'SELECT * FROM local ORDER BY id',
  'CREATE TABLE made AS SELECT id, c, fs FROM things WHERE id < 20',
  'SELECT * FROM made ORDER BY id',
  "ALTER TYPE mood ADD VALUE 'furious' BEFORE 'sad'",
  "UPDATE things SET ms = '{furious}' WHERE id < 30",
  'ALTER TYPE shop.face RENAME ATTRIBUTE why TO reason',
  "CREATE TYPE later AS ENUM ('x')",
  'ALTER TYPE shop.face ADD ATTRIBUTE l later[]',
  "UPDATE things SET f.l = '{x}' WHERE id % 2 = 0",
  'SELECT f, fs FROM things ORDER BY id',
  'ALTER TABLE things ADD COLUMN ls later[]',
  "UPDATE things SET ls = '{x,x}' WHERE id % 2 = 0",
  'SELECT ls, count(*) FROM things GROUP BY 1 ORDER BY 1',
  'ALTER TABLE things DROP COLUMN ls',
]

function shown({ results, error, status }: Answer): unknown {
  if (error !== undefined) return { error: error.sqlState, status }
  const plain = results.map(({ fields, ...rest }) => ({
    ...rest,
    fields: fields?.map(({ typeOid, ...field }) => ({
      ...field,
      typeOid: typeOid >= 16384 ? 'user' : typeOid,
    })),
  }))
  return { status, results: plain }
}

/** One value in binary, given back to its server as a parameter of the same type, is the value it prints. */
async function readBack(client: RawClient, type: string, hex: string): Promise<unknown> {
  const oid = Number(await client.value(`SELECT '${type}'::regtype::oid::int8`))
  const { results, error } = await client.exchange(
    [
      serialize.parse({ text: 'SELECT $1::text', types: [oid] }),
      serialize.bind({ values: [Buffer.from(hex, 'hex')] }),
      serialize.execute({ portal: '' }),
    ],
    'text',
  )
  return error ?? results[0]?.rows[0]?.[0]
}

function inBinary(client: RawClient, text: string): Promise<Answer> {
  return client.exchange(
    [
      serialize.parse({ text }),
      serialize.bind({ binary: true }),
      serialize.describe({ type: 'P', name: '' }),
      serialize.execute({ portal: '' }),
    ],
    'binary',
  )
}

/** Statements that take a value of the column's type. */
function withParameter(column: string): readonly string[] {
  return [
    `SELECT id FROM things WHERE ${column} IS NOT DISTINCT FROM $1 AND id = 5`,
    `SELECT count(*) FROM things WHERE ${column} IS NOT DISTINCT FROM $1`,
    `SELECT id FROM things WHERE ${column} IS NOT DISTINCT FROM $1 ORDER BY id LIMIT 1`,
    `UPDATE things SET ${column} = $1 WHERE id = 5 RETURNING id`,
    `UPDATE things SET ${column} = $1 WHERE id IN (5, 500000) RETURNING id`,
    `INSERT INTO things (id, ${column}) VALUES (900, $1), (901, $1) ON CONFLICT (id) DO UPDATE SET ${column} = $1`,
    `UPDATE side SET ${column} = $1 WHERE id = 25`,
  ]
}

/** A value in binary, as the server gave it. */
async function giveBack(
  client: RawClient,
  column: string,
  text: string,
  declares: boolean,
): Promise<Answer> {
  const oid = Number(await client.value(`SELECT '${TYPE_OF[column]}'::regtype::oid::int8`))
  const { results } = await inBinary(client, `SELECT ${column} FROM things WHERE id = 5`)
  const hex = results[0]?.rows[0]?.[0] ?? ''
  return client.exchange(
    [
      serialize.parse({ text, types: declares ? [oid] : [] }),
      serialize.bind({ values: [Buffer.from(hex, 'hex')] }),
      serialize.describe({ type: 'P', name: '' }),
      serialize.execute({ portal: '' }),
    ],
    'text',
  )
}

async function copied(client: RawClient, what: string): Promise<Buffer> {
  const { results, error } = await client.exchange(
    [
      serialize.parse({ text: `COPY ${what} TO STDOUT (FORMAT binary)` }),
      serialize.bind({}),
      serialize.execute({ portal: '' }),
    ],
    'binary',
  )
  if (error !== undefined) throw new Error(error.message)
  return Buffer.from((results[0]?.rows ?? []).map(([row]) => row ?? '').join(''), 'hex')
}

/** The table's rows then, as text. */
async function copiedInto(client: RawClient, target: string, bytes: Buffer): Promise<unknown> {
  await client.run(`BEGIN; DELETE FROM ${target}`)
  const { error } = await client.copyIn(`COPY ${target} FROM STDIN (FORMAT binary)`, [bytes])
  if (error !== undefined) return error
  const { results } = await client.run(`SELECT * FROM ${target} ORDER BY id`)
  await client.run(target === 'other' ? 'COMMIT' : 'ROLLBACK')
  return results[0]?.rows
}

t.test('arrays, composites and ranges of types created by users', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  // the nodes' OIDs must not agree by chance
  const skew = await pair.proxy.run("SELECT run_command_on_workers('CREATE TYPE skew AS ENUM ()')")
  t.equal(skew.error, undefined)
  const tables = ['things', 'other', 'side', 'local']
  for (const side of [pair.stock, pair.proxy]) {
    for (const sql of TYPES.split(';')) await side.run(sql)
    for (const name of tables) await side.run(`CREATE TABLE ${name} (${COLUMNS})`)
    await side.run(`INSERT INTO things ${VALUES}(1, 30) g`)
    await side.run(`INSERT INTO side ${VALUES}(20, 35) g; INSERT INTO local ${VALUES}(3, 9) g`)
  }
  // with rows and without
  await pair.proxy.run(
    "SELECT create_distributed_table('things', 'id'); SELECT create_distributed_table('other', 'id'); SELECT create_reference_table('side')",
  )
  for (const side of [pair.stock, pair.proxy]) {
    await side.run(`INSERT INTO things ${VALUES}(31, 60) g; INSERT INTO other ${VALUES}(1, 3) g`)
  }

  await t.test('in binary they hold OIDs of the coordinator', async (t) => {
    for (const [column, type] of Object.entries(TYPE_OF)) {
      for (const text of [
        `SELECT ${column} FROM things WHERE id = 5`,
        `SELECT ${column} FROM things WHERE id IN (5, 6, 7) AND id <> 6 AND id <> 7`,
        `SELECT ${column} FROM things ORDER BY id = 5 DESC LIMIT 1`,
        `SELECT t.${column} FROM things t JOIN local l ON t.f = l.f WHERE l.id = 5`,
        `SELECT ${column} FROM side WHERE id = 25`,
        `UPDATE things SET id = id WHERE id = 5 RETURNING ${column}`,
        `UPDATE things SET am = am WHERE id IN (5, 6) AND abs(id) = 5 RETURNING ${column}`,
      ]) {
        const answers = await Promise.all(
          [pair.stock, pair.proxy].map(async (client) => {
            const { results, error } = await inBinary(client, text)
            if (error !== undefined) return error
            const hex = results[0]?.rows[0]?.[0]
            return typeof hex === 'string' ? await readBack(client, type, hex) : hex
          }),
        )
        t.same(answers[1], answers[0], text)
        t.type(answers[0], 'string', text)
      }
    }
  })

  await t.test('so do anonymous rows', async (t) => {
    const oids = await pair.proxy.value("SELECT lpad(to_hex('mood'::regtype::oid::int), 8, '0')")
    for (const text of [
      'SELECT ROW(f, ms[1]) FROM things WHERE id = 5',
      'SELECT ARRAY[ROW(ms[1])] FROM things WHERE id = 5',
      'SELECT array_agg(ROW(ms[1], id)) FROM things WHERE id = 5',
    ]) {
      const { results, error } = await inBinary(pair.proxy, text)
      t.equal(error, undefined, text)
      t.ok(results[0]?.rows[0]?.[0]?.includes(String(oids)), text)
    }
  })

  await t.test('as parameters in binary', async (t) => {
    const cases = Object.keys(TYPE_OF).flatMap((column) =>
      withParameter(column).flatMap((text) =>
        (column === 'c' ? [false, true] : [false]).map((declares) => ({ column, text, declares })),
      ),
    )
    for (const { column, text, declares } of cases) {
      const [stock, proxy] = await Promise.all([
        giveBack(pair.stock, column, text, declares),
        giveBack(pair.proxy, column, text, declares),
      ])
      t.same(shown(proxy), shown(stock), `${text} ${proxy.error?.message ?? ''}`)
    }
    await Promise.all(
      [pair.stock, pair.proxy].map((side) => side.run('DELETE FROM things WHERE id >= 900')),
    )
  })

  await t.test('by COPY in binary, out and in', async (t) => {
    for (const what of [
      'things',
      '(SELECT * FROM things)',
      '(SELECT * FROM things ORDER BY id)',
      '(SELECT * FROM things WHERE id = 5)',
    ]) {
      const answers = await Promise.all(
        [pair.stock, pair.proxy].map(async (client) => {
          const bytes = await copied(client, what)
          const rows: unknown[] = []
          for (const target of ['other', 'side', 'local']) {
            rows.push(await copiedInto(client, target, bytes))
          }
          return rows
        }),
      )
      t.same(answers[1], answers[0], what)
    }
  })

  await t.test('in statements of all kinds', async (t) => {
    for (const sql of STATEMENTS) {
      const stock = await pair.stock.simple(sql)
      const proxy = await pair.proxy.simple(sql)
      t.same(shown(proxy), shown(stock), `${sql} ${proxy.error?.message ?? ''}`)
      if (sql.startsWith('SELECT') || stock.error !== undefined) continue
      const all = 'SELECT * FROM things ORDER BY id'
      t.same(shown(await pair.proxy.simple(all)), shown(await pair.stock.simple(all)), sql)
    }
  })

  await t.test('as distribution columns', async (t) => {
    for (const side of [pair.stock, pair.proxy]) {
      await side.run(
        'CREATE TABLE by_moods (k mood[], f shop.face, n int); CREATE TABLE by_face (f shop.face, n int)',
      )
      if (side === pair.proxy) {
        await side.run(
          "SELECT create_distributed_table('by_moods', 'k'); SELECT create_distributed_table('by_face', 'f')",
        )
      }
      await side.run(
        'INSERT INTO by_moods SELECT ms, f, id FROM things WHERE ms IS NOT NULL; INSERT INTO by_face SELECT f, id FROM things WHERE f IS NOT NULL',
      )
    }
    for (const sql of [
      "INSERT INTO by_moods VALUES ('{furious}', NULL, 7000)",
      "SELECT n FROM by_moods WHERE k = '{furious}' ORDER BY n",
      "SELECT n FROM by_moods WHERE k = ARRAY['sad', 'ok', NULL, 'ok']::mood[] ORDER BY n",
      'SELECT a.n, b.n FROM by_moods a JOIN by_moods b ON a.k = b.k AND a.n < b.n ORDER BY 1, 2 LIMIT 20',
      'SELECT a.n, b.n FROM by_face a JOIN by_face b USING (f) ORDER BY 1, 2',
      'SELECT a.n, b.n FROM by_face a JOIN by_moods b USING (f) ORDER BY 1, 2',
      'SELECT k, count(*) FROM by_moods GROUP BY k ORDER BY k',
      "DELETE FROM by_moods WHERE k = '{furious}'",
      'SELECT count(*) FROM by_moods',
    ]) {
      const stock = await pair.stock.simple(sql)
      const proxy = await pair.proxy.simple(sql)
      t.same(shown(proxy), shown(stock), `${sql} ${proxy.error?.message ?? ''}`)
    }
  })

  await t.test('and come back', async (t) => {
    await pair.proxy.run("SELECT undistribute_table('things')")
    const all = 'SELECT * FROM things ORDER BY id'
    t.same(shown(await pair.proxy.simple(all)), shown(await pair.stock.simple(all)))
  })
})
