import t from 'tap'
import type { Answer, Parameter } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

/** Else only some types take part, and each runs a third of the statements. */
const RUNS_ALL = process.env['PGLOOM_TEST_KEYS'] === 'all'
const SOME: ReadonlySet<string> = new Set(['mood', 'smaller', 'citext', 'jsonb'])

const TYPES = `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'grim', 'good', 'I', 'ü', '7');
  CREATE DOMAIN small AS int CHECK (VALUE < 10000);
  CREATE DOMAIN smaller AS small;
  CREATE DOMAIN tag AS varchar(12);
  CREATE DOMAIN feeling AS mood;
  CREATE TYPE pair AS (a int, b text)`

/** A key type, an expression of g for its values (some equal), a literal, whether we know which shard that is in. */
const KEYS: readonly (readonly [type: string, value: string, literal: string, isKnown: boolean])[] =
  [
    ['mood', '((enum_range(NULL::mood))[1 + g % 8])', 'ü', true],
    ['feeling', '((enum_range(NULL::mood))[1 + g % 8])', 'grim', false],
    ['small', 'g % 25', '7', true],
    ['smaller', 'g % 25', '7', true],
    ['tag', "'tag' || g % 25", 'tag7', true],
    ['citext', "(CASE WHEN g % 2 = 0 THEN 'Key ' ELSE 'kEY ' END) || g % 25", 'KEY 7', true],
    ['citext', "(CASE WHEN g % 2 = 0 THEN 'IÜ' ELSE 'iü' END) || g % 25", 'IÜ7', false],
    ['inet', "set_masklen(inet '10.0.0.0' + g % 25, 32 - g % 2 * 8)", '10.0.0.8', true],
    ['cidr', "set_masklen((inet '10.0.0.0' + (g % 25) * 256)::cidr, 24)", '10.0.7.0/24', true],
    ['time', "time '10:00' + (g % 25) * interval '61 seconds'", '10:07:07', true],
    ['timetz', "(time '10:00' + (g % 25) * interval '1 hour')::text || '+01'", '17:00+01', true],
    ['interval', "(g % 25) * interval '36 hours'", '252:00:00', true],
    ['macaddr', "lpad(to_hex(g % 25), 12, '0')", '00:00:00:00:00:07', true],
    ['name', "'n' || g % 25", 'n7', true],
    ['jsonb', "jsonb_build_object('k', g % 25, 'l', null)", '{"l": null, "k": 7.0}', false],
    ['int4range', 'int4range(g % 25, 30)', '[7,29]', false],
    ['text[]', "ARRAY['a', (g % 25)::text, NULL]", '{a,7,NULL}', false],
    ['pair', "ROW(g % 25, 'x')::pair", '(7,x)', false],
    ['"char"', 'chr(97 + g % 25)', 'h', false],
  ]

/** Of tables k and l with the key k, and of r, a reference table; each with a total order or one row. */
const STATEMENTS: readonly (readonly [sql: string, way: 'literal' | 'parameter' | 'both'])[] = [
  ['SELECT count(*), min(id) FROM k WHERE k = @', 'both'],
  ['SELECT count(*) FROM k WHERE k IN (@, @)', 'literal'],
  ['SELECT count(*), sum(l.id) FROM k JOIN l USING (k) WHERE k.k = @', 'both'],
  ['SELECT count(*), sum(k.id * l.id) FROM k JOIN l USING (k)', 'literal'],
  ['SELECT count(*), sum(k.id * r.id) FROM k JOIN r USING (k)', 'literal'],
  ['SELECT count(*) FROM k LEFT JOIN l ON k.k = l.k AND l.id > 20', 'literal'],
  ['SELECT count(*) FROM (SELECT k FROM k GROUP BY k HAVING count(*) > 3) x', 'literal'],
  ['SELECT count(DISTINCT k) FROM k', 'literal'],
  ['SELECT id, k::text FROM k ORDER BY id', 'literal'],
  [
    'SELECT count(*) FROM k WHERE EXISTS (SELECT FROM l WHERE l.k = k.k AND l.id % 3 = 0)',
    'literal',
  ],
  ['INSERT INTO k VALUES (@, 1001) RETURNING k::text', 'both'],
  ['INSERT INTO k VALUES (@, 1002), (@, 1003)', 'literal'],
  ['INSERT INTO k SELECT k, id + 2000 FROM l WHERE k = @', 'both'],
  ['INSERT INTO k SELECT k, id + 3000 FROM l', 'literal'],
  ['INSERT INTO k SELECT k, id + 4000 FROM elsewhere', 'literal'],
  ['INSERT INTO k SELECT k, id + 5000 FROM r', 'literal'],
  ['INSERT INTO u VALUES (@, 1) ON CONFLICT (k, id) DO UPDATE SET n = u.n + 1', 'both'],
  ['INSERT INTO u SELECT k, id % 3 FROM l WHERE id < 4 ON CONFLICT DO NOTHING', 'literal'],
  ['UPDATE k SET id = id + 10000 WHERE k = @', 'both'],
  ['UPDATE k SET id = k.id + 20000 FROM l WHERE l.k = k.k AND l.id = 7', 'literal'],
  ['UPDATE k SET k = @ WHERE id = 1001', 'literal'],
  ['DELETE FROM k WHERE k = @ AND id < 2000', 'both'],
  ['DELETE FROM k USING l WHERE l.k = k.k AND l.id = 9', 'literal'],
]

const CHECKS = [
  'SELECT count(*), sum(id) FROM k',
  'SELECT k::text, count(*) FROM k GROUP BY k.k ORDER BY count(*), min(id)',
  'SELECT count(*), sum(n) FROM u',
]

/** What of a tap test compares. */
type T = { same(found: unknown, wanted: unknown, message: string): unknown }

const REFUSED = [
  "CREATE TABLE m (k mood); SELECT create_distributed_table('m', 'k'); ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
  "CREATE TABLE m (k pair); SELECT create_distributed_table('m', 'k'); ALTER TYPE pair ADD ATTRIBUTE c int",
  "CREATE TABLE m (k regclass); SELECT create_distributed_table('m', 'k')",
  "CREATE TABLE m (k money); SELECT create_distributed_table('m', 'k')",
  "CREATE TABLE m (k xml); SELECT create_distributed_table('m', 'k')",
]

function shown(answer: Answer): unknown {
  if (answer.error !== undefined) return { sqlState: answer.error.sqlState }
  return answer.results.map(({ rows, tag }) => ({ rows, tag }))
}

async function both({ stock, proxy }: ClusterPair, sql: string): Promise<void> {
  await stock.run(sql)
  await proxy.run(sql)
}

async function same(
  t: T,
  pair: ClusterPair,
  sql: string,
  parameters?: readonly Parameter[],
): Promise<void> {
  const ways = parameters === undefined ? (['simple'] as const) : (['text', 'binary'] as const)
  for (const way of ways) {
    const ask = (side: 'stock' | 'proxy') =>
      way === 'simple' ? pair[side].simple(sql) : pair[side].extended(sql, parameters ?? [], way)
    const [stock, proxy] = [await ask('stock'), await ask('proxy')]
    t.same(shown(proxy), shown(stock), `${sql} (${way}) ${proxy.error?.message ?? ''}`)
  }
}

const TABLES = ['k', 'l', 'elsewhere', 'r', 'u']
const LATER = [
  ['l', 40],
  ['elsewhere', 60],
  ['r', 10],
] as const

async function loadTables(pair: ClusterPair, type: string, value: string): Promise<void> {
  for (const name of TABLES) {
    const rest = name === 'u' ? 'id int, n int DEFAULT 0, PRIMARY KEY (k, id)' : 'id int'
    await both(pair, `CREATE TABLE ${name} (k ${type}, ${rest})`)
  }
  const fill = (name: string, rows: number) =>
    both(
      pair,
      `INSERT INTO ${name} SELECT (${value})::${type}, g FROM generate_series(1, ${rows}) g`,
    )
  await fill('k', 100)
  for (const name of ['k', 'l', 'u']) {
    await pair.proxy.run(`SELECT create_distributed_table('${name}', 'k')`)
  }
  await pair.proxy.run("SELECT create_distributed_table('elsewhere', 'id')")
  await pair.proxy.run("SELECT create_reference_table('r')")
  for (const [name, rows] of LATER) await fill(name, rows)
}

async function runStatements(t: T, pair: ClusterPair, index: number): Promise<void> {
  const [type, , literal] = KEYS[index] ?? ['', '', '', false]
  const isMine = (_: unknown, position: number) => RUNS_ALL || position % 3 === index % 3
  for (const [sql, way] of STATEMENTS.filter(isMine)) {
    await same(t, pair, sql.replaceAll('@', `'${literal}'`))
    if (way === 'literal') continue
    await same(t, pair, sql.replace('@', '$1'), [literal])
    await same(t, pair, sql.replace('@', `'${literal}'::${type}`))
  }
  for (const format of ['text', 'csv', 'binary'].filter(isMine)) await copied(pair, format)
  for (const sql of CHECKS) await same(t, pair, sql)
}

async function hasCitext({ stock }: ClusterPair): Promise<boolean> {
  const available = 'SELECT count(*) FROM pg_available_extensions'
  return (await stock.value(`${available} WHERE name = 'citext'`)) === '1'
}

t.test('distribution columns of unusual types', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.proxy.run('SET citus.shard_count = 6')
  // the nodes' OIDs must not agree by chance
  await pair.proxy.run("SELECT run_command_on_workers('CREATE TYPE other AS ENUM (''x'')')")
  await both(pair, TYPES)
  const knowsCitext = await hasCitext(pair)
  if (knowsCitext) await both(pair, 'CREATE EXTENSION citext')
  for (const [index, [type, value, literal, isKnown]] of KEYS.entries()) {
    if (!(RUNS_ALL || SOME.has(type)) || (type === 'citext' && !knowsCitext)) continue
    await t.test(`${type}: ${value}`, async (t) => {
      await loadTables(pair, type, value)
      const plan = await pair.proxy.simple(`EXPLAIN SELECT * FROM k WHERE k = '${literal}'`)
      t.equal(/Task Count: 1\b/.test(JSON.stringify(plan)), isKnown, 'goes to one shard')
      await runStatements(t, pair, index)
      for (const name of TABLES) await both(pair, `DROP TABLE ${name}`)
    })
  }
  await t.test('what a key hashes to can not be changed', async (t) => {
    for (const sql of REFUSED) {
      t.equal((await pair.proxy.simple(sql)).error?.sqlState, '0A000', sql)
    }
  })
})

/** The rows of l, out of each side in its own way and into its k. */
async function copied({ stock, proxy }: ClusterPair, format: string): Promise<void> {
  for (const side of [stock, proxy]) {
    const out = await side.extended(`COPY l TO STDOUT (FORMAT ${format})`, [], 'binary')
    const rows = (out.results[0]?.rows ?? []).map(([hex]) => Buffer.from(hex ?? '', 'hex'))
    const answer = await side.copyIn(`COPY k FROM STDIN (FORMAT ${format})`, rows)
    if (answer.error !== undefined) throw new Error(`${format}: ${answer.error.message}`)
  }
}
