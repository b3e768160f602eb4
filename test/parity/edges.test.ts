import t from 'tap'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { writeBind, writeExecute, writeParse } from '../../lib/wire/frontend-messages.ts'
import { comparable } from '../support/differential.ts'
import { RawClient } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

const TABLE = `CREATE TABLE letters (id int PRIMARY KEY, w text, n numeric);
  INSERT INTO letters SELECT g, CASE g % 3 WHEN 0 THEN 'é' || g WHEN 1 THEN 'ß' || g ELSE 'plain' || g END, g * 1.5
    FROM generate_series(1, 200) g;
  CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM letters';
  CREATE FUNCTION loops() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE r record# n bigint := 0# BEGIN FOR r IN SELECT * FROM letters LOOP n := n + 1# END LOOP# RETURN n# END $$;
  CREATE FUNCTION dynamic() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE n bigint# BEGIN EXECUTE 'SELECT count(*) FROM letters' INTO n# RETURN n# END $$;
  CREATE FUNCTION atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM letters# END;
  CREATE PROCEDURE counts(INOUT n bigint) LANGUAGE plpgsql AS $$ BEGIN SELECT count(*) INTO n FROM letters# END $$;
  CREATE TABLE beside (id int)`

const SEVERAL = [
  'SELECT * FROM letters ORDER BY id',
  'SELECT w, count(*) FROM letters GROUP BY w ORDER BY min(id) LIMIT 20',
  "SELECT string_agg(w, '' ORDER BY id) FROM letters",
  'SELECT a.w FROM letters a JOIN letters b ON a.id = b.id + 1 ORDER BY a.id LIMIT 10',
  "SELECT id FROM letters WHERE w LIKE 'plain1%' ORDER BY id",
  'SELECT w FROM letters WHERE id = 3',
]

/** Errors that only a run over the rows meets, and some of the text. */
const FAILING = [
  'SELECT 1 / (id - 100) FROM letters',
  'SELECT sum(1 / (id - 100)) FROM letters',
  "SELECT id FROM letters WHERE 'ß' = '' OR id = 'x'",
  "SELECT count(*) FROM letters WHERE w = 'a' OR n / (id - 7) > 1",
  'SELECT id, nosuch FROM letters',
  'SELECT id FROM letters WHERE nosuch() = 1',
  'SELECT id + w FROM letters',
  'SELECT max(id) FROM letters GROUP BY nosuch',
  "SELECT id FROM letters ORDER BY id LIMIT 'x'",
  "SELECT id FROM letters WHERE id = 'x'",
  'SELECT count(*) FROM letters, beside WHERE letters.id = 1 / beside.nosuch',
  'UPDATE letters SET n = 1 / (id - 100)',
  "UPDATE letters SET n = 'x'",
  'DELETE FROM letters WHERE 1 / (id - 100) = 1',
  'INSERT INTO letters SELECT id + 1000, w, 1 / (id - 100) FROM letters',
  "INSERT INTO letters VALUES (1001, 'a', 1), (1002, 'b', 'x')",
  'COPY (SELECT 1 / (id - 100) FROM letters) TO STDOUT',
]

t.test('what is at the edges of reading', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  for (const part of TABLE.split(';')) {
    await pair.stock.run(part.replaceAll('#', ';'))
    await pair.proxy.run(part.replaceAll('#', ';'))
  }
  await pair.proxy.run("SELECT create_distributed_table('letters', 'id')")

  await t.test('other encodings of the client', async (t) => {
    for (const encoding of ['LATIN1', 'WIN1252', 'SQL_ASCII', 'UTF8']) {
      const sides = await Promise.all(
        [pair.stockUrl, pair.proxyUrl].map((url) =>
          RawClient.connect(url, { client_encoding: encoding }),
        ),
      )
      const [stock, proxy] = sides
      if (stock === undefined || proxy === undefined) throw new Error('no client')
      for (const sql of SEVERAL) {
        for (const way of ['simple', 'binary'] as const) {
          const ask = (client: RawClient) =>
            way === 'simple' ? client.simple(sql) : client.extended(sql, [], 'binary')
          const [expected, got] = [await ask(stock), await ask(proxy)]
          t.same(comparable(got, false), comparable(expected, false), `${encoding} ${way}: ${sql}`)
        }
      }
      stock.close()
      proxy.close()
    }
  })

  await t.test('portals that give so many rows at a time', async (t) => {
    for (const sql of SEVERAL) {
      for (const maxRows of [1, 7, 200, 1000]) {
        const frames = portal(sql, maxRows)
        const [expected, got] = [
          await pair.stock.exchange(frames, 'text'),
          await pair.proxy.exchange(frames, 'text'),
        ]
        t.same(got, expected, `${maxRows}: ${sql}`)
      }
    }
  })

  await t.test('code on the coordinator that reads a distributed table', async (t) => {
    for (const sql of [
      'SELECT reads()',
      'SELECT loops()',
      'SELECT dynamic()',
      'SELECT atomic()',
      'SELECT loops() FROM beside RIGHT JOIN (SELECT 1) x ON true',
      'CALL counts(1)',
      'DO $$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM letters; END $$',
      'DO $$ BEGIN PERFORM 1 FROM letters; END $$',
      "DO $$ BEGIN EXECUTE 'SELECT 1 FROM letters'; END $$",
      'SELECT id, reads() FROM letters WHERE id = 1',
      'INSERT INTO beside SELECT reads()',
      'CREATE TABLE made AS SELECT reads()',
      "SELECT query_to_xml('SELECT * FROM letters', true, true, '')",
      "SELECT table_to_xml('letters', true, true, '')",
    ]) {
      const { error } = await pair.proxy.simple(sql)
      t.equal(error?.sqlState, '0A000', `${sql}: ${error?.message}`)
    }
  })

  await t.test('where it is in a script and in a block', async (t) => {
    for (const sql of [...FAILING, 'EXPLAIN SELECT nosuch FROM letters']) {
      for (const lead of ["SELECT 'ß'; ", 'BEGIN; SELECT id FROM letters; /* ß */ ']) {
        const inScript = async (side: RawClient) => {
          const { error } = await side.simple(lead + sql)
          await side.simple('ROLLBACK')
          return { sqlState: error?.sqlState, position: error?.position }
        }
        t.same(await inScript(pair.proxy), await inScript(pair.stock), lead + sql)
      }
      t.same(await placeInBlock(pair.proxy, sql), await placeInBlock(pair.stock, sql), sql)
    }
  })

  await t.test('where in the text an error is', async (t) => {
    for (const sql of FAILING) {
      const [expected, got] = [await pair.stock.simple(sql), await pair.proxy.simple(sql)]
      t.equal(got.error?.sqlState, expected.error?.sqlState, sql)
      t.equal(got.error?.position, expected.error?.position, `position: ${sql}`)
      t.equal(got.error?.message, expected.error?.message, `message: ${sql}`)
    }
  })
})

/** The savepoint's rows, and what was made before it, are there afterwards. */
async function placeInBlock(side: RawClient, sql: string) {
  await side.run('BEGIN; CREATE TABLE made (id int); SAVEPOINT a')
  await side.run('SAVEPOINT b')
  const { error } = await side.simple(sql)
  await side.run('ROLLBACK TO a; SELECT count(*) FROM made, letters; ROLLBACK')
  return { sqlState: error?.sqlState, position: error?.position }
}

/** Bound once, executed until it is done. */
function portal(sql: string, maxRows: number): Buffer[] {
  const out = new FrameWriter()
  writeParse(out, { name: '', text: sql })
  writeBind(out, {
    portal: 'p',
    statement: '',
    formats: [],
    values: [],
    resultFormats: [],
  })
  for (let run = 0; run < Math.min(Math.ceil(201 / maxRows), 30); run++) {
    writeExecute(out, { portal: 'p', maxRows })
  }
  return [out.take()]
}
