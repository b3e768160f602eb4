import t from 'tap'
import { comparable } from '../support/differential.ts'
import { type Answer, type Parameter, RawClient } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

const EXTENSIONS = ['citext', 'hstore', 'ltree', 'pg_trgm']

const TABLE = `CREATE TABLE words (id int PRIMARY KEY, c citext, h hstore, l ltree);
  INSERT INTO words SELECT g, CASE WHEN g % 2 = 0 THEN 'Word' ELSE 'WORD' END || g % 5,
    hstore('k' || g % 3, 'v' || g), ('top.n' || g % 4 || '.x' || g)::ltree FROM generate_series(1, 60) g`

const QUERIES: readonly (readonly [sql: string, parameters?: readonly Parameter[]])[] = [
  ['SELECT * FROM words WHERE id = 7'],
  ['SELECT * FROM words ORDER BY id'],
  ["SELECT id FROM words WHERE c = 'word3' ORDER BY id"],
  ['SELECT c, count(*) FROM (SELECT lower(c)::citext AS c FROM words) x GROUP BY c ORDER BY c'],
  ['SELECT count(DISTINCT c) FROM words'],
  ['SELECT lower(max(c)), lower(min(c)) FROM words'],
  ["SELECT id FROM words WHERE h ? 'k1' ORDER BY id"],
  ["SELECT h -> 'k1' AS v FROM words WHERE h -> 'k1' IS NOT NULL ORDER BY id"],
  ['SELECT h, count(*) FROM words GROUP BY h ORDER BY h LIMIT 5'],
  ["SELECT id FROM words WHERE l <@ 'top.n2' ORDER BY l"],
  ['SELECT subpath(l, 0, 2) AS s, count(*) FROM words GROUP BY 1 ORDER BY 1'],
  ["SELECT id FROM words WHERE c::text % 'word1' ORDER BY similarity(c::text, 'word1'), id"],
  ['SELECT a.id, b.id FROM words a JOIN words b ON a.c = b.c AND b.id = a.id + 5 ORDER BY 1'],
  ['SELECT id FROM words WHERE c = $1 ORDER BY id', ['WORD2']],
  ['SELECT id, h FROM words WHERE id = $1 AND l = $2', ['3', 'top.n3.x3']],
]

const CHANGES = [
  "INSERT INTO words VALUES (101, 'New', 'a=>1', 'a.b'), (102, 'nEw', 'b=>NULL', 'a.c')",
  "INSERT INTO words SELECT id + 200, c, h, l FROM words WHERE c = 'new'",
  "UPDATE words SET h = h || 'z=>26' WHERE c = 'NEW'",
  "DELETE FROM words WHERE l ~ 'top.n0.*'",
  'CREATE INDEX words_l ON words USING gist (l)',
  'CREATE INDEX words_t ON words USING gin ((c::text) gin_trgm_ops)',
]

/** OIDs of types differ between any two databases. */
function withoutOids(answer: Answer): unknown {
  const results = answer.results.map((result) => ({
    ...result,
    fields: result.fields?.map((field) => ({
      ...field,
      typeOid: field.typeOid < 16384 ? field.typeOid : 0,
    })),
  }))
  return comparable({ ...answer, results }, false)
}

t.test('types of extensions as columns of distributed tables', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  const isThere = await pair.stock.value(
    `SELECT count(*) = ${EXTENSIONS.length} FROM pg_available_extensions WHERE name IN (${EXTENSIONS.map((name) => `'${name}'`).join()})`,
  )
  if (isThere !== 't') return t.comment('SKIPPED: these servers come without contrib')
  for (const sql of [
    ...EXTENSIONS.map((name) => `CREATE EXTENSION ${name}`),
    ...TABLE.split(';'),
  ]) {
    await pair.stock.run(sql)
    await pair.proxy.run(sql)
  }
  // the nodes' OIDs must not agree by chance
  await pair.proxy.run("SELECT run_command_on_workers('CREATE TYPE other AS ENUM ()')")
  await pair.proxy.run("SELECT create_distributed_table('words', 'id')")
  const same = async (sql: string, parameters: readonly Parameter[] | undefined, way: string) => {
    const ask = (side: 'stock' | 'proxy') =>
      way === 'simple'
        ? pair[side].simple(sql)
        : pair[side].extended(sql, parameters ?? [], way === 'binary' ? 'binary' : 'text')
    const stock = await ask('stock')
    const proxy = await ask('proxy')
    t.same(withoutOids(proxy), withoutOids(stock), `${sql} (${way}) ${proxy.error?.message ?? ''}`)
    t.equal(stock.error, undefined, 'a sound statement')
  }
  for (const [sql, parameters] of QUERIES) {
    for (const way of parameters === undefined ? ['simple', 'binary'] : ['text', 'binary']) {
      await same(sql, parameters, way)
    }
  }
  for (const sql of CHANGES) {
    await same(sql, undefined, 'simple')
    await same('SELECT * FROM words ORDER BY id', undefined, 'simple')
  }
  await t.test('go as they came', async (t) => {
    const refused = await pair.proxy.simple('DROP EXTENSION hstore CASCADE')
    t.equal(refused.error?.sqlState, '0A000', 'not from under the tables')
    for (const side of [pair.stock, pair.proxy]) {
      t.equal((await side.simple('DROP EXTENSION hstore')).error?.sqlState, '2BP01')
      await side.run('ALTER TABLE words DROP COLUMN h')
      await side.run('DROP EXTENSION hstore')
    }
    const left = await pair.proxy.simple(
      "SELECT run_command_on_workers($$SELECT count(*) FROM pg_extension WHERE extname = 'hstore'$$)",
    )
    t.notMatch(JSON.stringify(left.results), /,1\)/)
    const unknown = await pair.proxy.simple('CREATE EXTENSION nosuch')
    const expected = await pair.stock.simple('CREATE EXTENSION nosuch')
    t.equal(unknown.error?.sqlState, expected.error?.sqlState)
  })
  await t.test('are altered everywhere', async (t) => {
    for (const sql of [
      'DROP TABLE words',
      "DROP EXTENSION pg_trgm; CREATE EXTENSION pg_trgm VERSION '1.3'",
      'ALTER EXTENSION pg_trgm UPDATE',
    ]) {
      await pair.proxy.run(sql)
      await pair.stock.run(sql)
    }
    const found = await pair.stock.value(STATE)
    t.match(found, /^public 1\.[4-9]/)
    t.same(await states(pair), [found], 'as in one Postgres, on all nodes')
    t.equal((await pair.proxy.simple('ALTER EXTENSION nosuch UPDATE')).error?.sqlState, '42704')
    const nowhere = await pair.proxy.simple("ALTER EXTENSION pg_trgm UPDATE TO '99'")
    t.equal(nowhere.error?.sqlState, '22023')
  })
  await t.test('are on nodes that come later', async (t) => {
    const { results } = await pair.proxy.simple(
      "SELECT nodename, nodeport FROM citus_nodes WHERE role = 'worker' LIMIT 1",
    )
    const [host, port] = results[0]?.rows[0] ?? []
    await pair.proxy.run(`SELECT citus_remove_node('${host}', ${port})`)
    const node = await RawClient.connect(`postgres://postgres@${host}:${port}/app`)
    await node.run('DROP EXTENSION pg_trgm; DROP EXTENSION citext')
    node.close()
    await pair.proxy.run(`SELECT citus_add_node('${host}', ${port})`)
    t.same(await states(pair), [await pair.stock.value(STATE)])
    const has = "SELECT count(*) FROM pg_extension WHERE extname = ''citext''"
    const counts = `SELECT sum(result::int) FROM run_command_on_workers('${has}')`
    t.equal(await pair.proxy.value(counts), '2')
  })
})

const STATE = `SELECT extnamespace::regnamespace || ' ' || extversion FROM pg_extension WHERE extname = 'pg_trgm'`

/** Of all nodes, once each. */
async function states({ proxy }: ClusterPair): Promise<(string | null | undefined)[]> {
  const { results } = await proxy.simple(
    `SELECT DISTINCT result FROM run_command_on_all_nodes('${STATE.replaceAll("'", "''")}')`,
  )
  return (results[0]?.rows ?? []).map(([state]) => state)
}
