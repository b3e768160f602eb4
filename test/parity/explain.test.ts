import t from 'tap'
import { parse as parseYaml } from 'yaml'
import type { Parameter } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

const SETUP = `
  CREATE TABLE events (tenant int, id int, kind varchar(20), amount numeric(10,2), f float8, PRIMARY KEY (tenant, id));
  CREATE TABLE users (tenant int, id int, name text);
  CREATE TABLE kinds (kind text PRIMARY KEY, label text);
  CREATE TABLE plain (x int PRIMARY KEY);
  CREATE TABLE keyed (tenant int, email text);
  INSERT INTO keyed SELECT g, 'mail' || g FROM generate_series(1, 20) g;
  INSERT INTO events SELECT g % 20, g, 'kind ' || g % 3, g / 3.0, g / 7.0 FROM generate_series(1, 400) g;
  INSERT INTO users SELECT g % 20, g, 'user <' || g FROM generate_series(1, 100) g;
  INSERT INTO kinds VALUES ('kind 0', 'a'), ('kind 1', 'b');
  INSERT INTO plain SELECT generate_series(1, 10);
  CREATE VIEW named AS SELECT tenant AS t, id AS i, name AS n FROM users WHERE id > 3`

/** Every kind of plan. */
const STATEMENTS: readonly (readonly [sql: string, parameters?: readonly Parameter[]])[] = [
  ['SELECT * FROM events WHERE tenant = 3'],
  ['SELECT * FROM events WHERE tenant = $1 AND id > $2', ['3', '100']],
  ['SELECT * FROM events WHERE tenant = NULL'],
  ['SELECT id FROM events'],
  ["SELECT id FROM events WHERE tenant IN (1, 2) AND kind = 'kind 1'"],
  ['SELECT id FROM events WHERE id > $1', ['200']],
  ['SELECT kind, count(*), sum(amount) FROM events GROUP BY kind ORDER BY 2 DESC, 1 LIMIT 2'],
  ['SELECT kind, count(*) FROM events WHERE id > $1 GROUP BY kind', ['300']],
  ['SELECT sum(f), avg(f), count(DISTINCT kind) FROM events'],
  ['SELECT id, amount FROM events ORDER BY id DESC OFFSET 3 LIMIT 10'],
  ['SELECT count(*) FROM events WHERE false'],
  ['SELECT id, name FROM users ORDER BY id LIMIT 3 FOR UPDATE'],
  ['SELECT e.id, label FROM events e JOIN kinds USING (kind) WHERE e.id < $1 FOR UPDATE', ['9']],
  ['SELECT e.id, x FROM events e JOIN plain ON x = id FOR UPDATE'],
  [
    'SELECT kind, sum(amount) FROM events GROUP BY kind HAVING count(*) > (SELECT count(*) / 9 FROM users WHERE id > $1)',
    ['3'],
  ],
  ['SELECT e.id, u.name FROM events e JOIN users u USING (tenant) WHERE e.id < 50'],
  ['SELECT * FROM events e JOIN users u ON e.id = u.id'],
  ["SELECT * FROM events e, users u WHERE e.id + u.id = 100 AND u.name < 'user <5'"],
  ['SELECT e.id, k.label FROM events e LEFT JOIN kinds k USING (kind)'],
  ['SELECT * FROM kinds WHERE label = $1', ['a']],
  ['SELECT * FROM plain'],
  ['UPDATE events SET amount = amount + 1 WHERE tenant = 4'],
  ['UPDATE events SET amount = amount + 1 WHERE id < 50'],
  ["UPDATE events SET kind = 'changed' WHERE id = $1 RETURNING id", ['77']],
  ['DELETE FROM events WHERE id > 390 RETURNING *'],
  [
    'DELETE FROM users WHERE ctid IN (SELECT ctid FROM users WHERE id > $1 ORDER BY id LIMIT 3)',
    ['90'],
  ],
  [
    'UPDATE events SET f = 0 WHERE (tenant, id) IN (SELECT tenant, id FROM events ORDER BY f LIMIT 2 FOR UPDATE)',
  ],
  ["INSERT INTO users VALUES (1, 1001, 'new')"],
  ["INSERT INTO users VALUES (1, 1002, 'a'), (2, 1003, 'b'), (3, 1004, 'c') RETURNING *"],
  ['INSERT INTO users VALUES ($1, 1005, $2), (7, 1006, $2)', ['5', 'it']],
  [
    "INSERT INTO events (tenant, id) VALUES (1, 1) ON CONFLICT (tenant, id) DO UPDATE SET kind = 'twice'",
  ],
  ["INSERT INTO users SELECT g, g + 2000, 'made' FROM generate_series(1, 30) g"],
  ['INSERT INTO users SELECT tenant, id + 5000, kind FROM events WHERE id < 30'],
  ['INSERT INTO users SELECT count(*), 9000, kind FROM events GROUP BY kind'],
  ['INSERT INTO plain SELECT id + 100 FROM events WHERE id < 20'],
  ["UPDATE kinds SET label = label || '!' WHERE kind = 'kind 1'"],
  ["INSERT INTO kinds VALUES ('kind 2', $1)", ['c']],
  [
    'INSERT INTO events (tenant, id, kind) SELECT g, g, $1 FROM generate_series(1, 9) g ON CONFLICT (tenant, id) DO UPDATE SET kind = excluded.kind || events.kind',
    ['x'],
  ],
  [
    "INSERT INTO events (tenant, id, kind) SELECT tenant, min(id), 'y' FROM events GROUP BY tenant ON CONFLICT (tenant, id) DO NOTHING",
  ],
  [
    "INSERT INTO kinds SELECT kind, max(id)::text FROM events GROUP BY kind ON CONFLICT (kind) DO UPDATE SET label = 'twice'",
  ],
  ["INSERT INTO keyed VALUES (3, 'new'), (4, 'newer')"],
  ["UPDATE keyed SET email = email || '!' WHERE tenant < 7"],
  ['DELETE FROM keyed WHERE tenant = 9'],
  ["INSERT INTO keyed SELECT 9, 'mail9'"],
  ['UPDATE users SET tenant = tenant + 100 WHERE id < 9'],
  ['UPDATE users SET name = (SELECT max(kind) FROM events) || $1 WHERE id = 12', ['x']],
  ['UPDATE kinds SET label = u.name FROM users u WHERE u.id = 8'],
  ["UPDATE named SET n = 'seen' WHERE t = 7"],
  ['UPDATE named SET n = n || $1 WHERE i < $2', ['!', '20']],
  ['DELETE FROM named WHERE i = 15 RETURNING n'],
  ["INSERT INTO named VALUES (4, 3001, 'through')"],
  ['DELETE FROM plain WHERE x > 3'],
  ['DECLARE c CURSOR FOR SELECT id FROM events ORDER BY id'],
  ['DECLARE "for" SCROLL CURSOR WITH HOLD FOR SELECT * FROM events WHERE tenant = 3'],
]

const TABLES = ['events', 'users', 'kinds', 'plain', 'keyed']

type Plan = Readonly<Record<string, unknown>>

t.test('EXPLAIN of every kind of plan', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.stock.run(SETUP)
  await pair.proxy.run(SETUP)
  await pair.proxy.run(
    `SELECT create_distributed_table('events', 'tenant'); SELECT create_distributed_table('users', 'tenant');
     SELECT create_reference_table('kinds'); SELECT create_distributed_table('keyed', 'tenant');
     SET pgloom.global_unique_indexes = on`,
  )
  for (const side of [pair.stock, pair.proxy]) {
    await side.run('CREATE UNIQUE INDEX keyed_email ON keyed (email)')
  }

  /** The parsed answer to EXPLAIN (options, FORMAT JSON). */
  const explained = async (
    side: 'stock' | 'proxy',
    options: string,
    sql: string,
    parameters: readonly Parameter[] = [],
  ): Promise<Plan> => {
    const text = `EXPLAIN (${options}) ${sql}`
    const { results, error } =
      parameters.length === 0
        ? await pair[side].simple(text)
        : await pair[side].extended(text, parameters, 'text')
    if (error !== undefined) throw new Error(`${error.sqlState}: ${error.message} (${text})`)
    const [result] = results
    t.equal(result?.tag, 'EXPLAIN')
    t.equal(result?.fields?.[0]?.typeOid, 114)
    const [query] = JSON.parse(result?.rows[0]?.[0] ?? '') as readonly { readonly Plan: Plan }[]
    return query?.Plan ?? {}
  }
  const contents = async (side: 'stock' | 'proxy'): Promise<unknown> => {
    const all: string[][] = []
    for (const table of TABLES) {
      const { results } = await pair[side].run(`SELECT * FROM ${table}`)
      all.push((results[0]?.rows ?? []).map((row) => JSON.stringify(row)).sort())
    }
    return all
  }

  await t.test('without ANALYZE nothing is run', async (t) => {
    const before = await contents('proxy')
    for (const [sql, parameters] of STATEMENTS) {
      const plan = await explained('proxy', 'FORMAT JSON', sql, parameters)
      t.type(plan['Node Type'], 'string', sql)
      t.notOk('Actual Rows' in plan, sql)
    }
    t.same(await contents('proxy'), before)
  })

  await t.test('in a transaction it is undone with it', async (t) => {
    const before = await contents('proxy')
    await pair.proxy.run('BEGIN')
    for (const [sql, parameters] of STATEMENTS) {
      await explained('proxy', 'ANALYZE, FORMAT JSON', sql, parameters)
    }
    const created = 'CREATE TABLE made AS SELECT kind, count(*) FROM events GROUP BY kind'
    await explained('proxy', 'ANALYZE, FORMAT JSON', created)
    await pair.proxy.run('ROLLBACK')
    t.same(await contents('proxy'), before)
    await explained('proxy', 'FORMAT JSON', created)
    await pair.proxy.run(
      `BEGIN; EXPLAIN ANALYZE UPDATE events SET amount = 0; EXPLAIN ANALYZE SELECT sum(amount) FROM events; COMMIT`,
    )
    t.equal(await pair.proxy.value('SELECT sum(amount) FROM events'), '0.00')
    await pair.stock.run('UPDATE events SET amount = 0')
  })

  await t.test('with it the statement is run once, and found the same rows', async (t) => {
    for (const [sql, parameters] of STATEMENTS) {
      const options = 'ANALYZE, FORMAT JSON'
      const stock = await explained('stock', options, sql, parameters)
      const proxy = await explained('proxy', options, sql, parameters)
      t.equal(Number(proxy['Actual Rows']), Number(stock['Actual Rows']), sql)
      t.same(await contents('proxy'), await contents('stock'), `${sql} changed the same`)
    }
  })

  await t.test('each format is what it says', async (t) => {
    for (const [sql, parameters] of STATEMENTS) {
      if (parameters !== undefined) continue
      const yaml = await pair.proxy.value(`EXPLAIN (VERBOSE, FORMAT YAML) ${sql}`)
      const json = await pair.proxy.value(`EXPLAIN (VERBOSE, FORMAT JSON) ${sql}`)
      t.same(parseYaml(yaml ?? ''), JSON.parse(json ?? ''), sql)
      const xml = await pair.proxy.value(`EXPLAIN (VERBOSE, FORMAT XML) ${sql}`)
      t.equal(illFormed(xml ?? ''), undefined, sql)
    }
  })

  /** Without what differs from run to run. */
  const lines = async (sql: string): Promise<string> => {
    const { results } = await pair.proxy.run(sql)
    const text = (results.at(-1)?.rows ?? []).map(([line]) => line).join('\n')
    return text
      .replaceAll(/host=\S+ port=\d+/g, 'host=H port=P')
      .replaceAll(/time=[\d.]+/g, 'time=T')
      .replaceAll(/Time: [\d.]+ ms/g, 'Time: T ms')
  }

  await t.test('the shapes are those of Citus', async (t) => {
    t.equal(
      await lines('EXPLAIN (COSTS OFF) SELECT * FROM users WHERE tenant = 3'),
      `Custom Scan (Citus Adaptive)
  Tier: router
  Task Count: 1
  Shards Pruned: 31 of 32
  Tasks Shown: All
  ->  Task
        Node: host=H port=P dbname=app
        ->  Seq Scan on users
              Filter: (tenant = 3)`,
    )
    t.equal(
      await lines('EXPLAIN (COSTS OFF) SELECT name, count(*) FROM users GROUP BY name ORDER BY 1'),
      `Sort
  Sort Key: c1
  ->  HashAggregate
        Group Key: c1
        ->  Custom Scan (Citus Adaptive)
              Tier: combine
              Task Count: 32
              Shards Pruned: 0 of 32
              Tasks Shown: One of 32
              ->  Task
                    Node: host=H port=P dbname=app
                    ->  HashAggregate
                          Group Key: name
                          ->  Seq Scan on users`,
    )
    t.equal(
      await lines(
        'EXPLAIN (COSTS OFF) INSERT INTO users SELECT count(*), 9, name FROM users GROUP BY name',
      ),
      `Custom Scan (Citus INSERT ... SELECT)
  INSERT/SELECT method: pull to coordinator
  ->  Distributed Subplan 1_1
        Relation: subquery_1
        Result destination: Write locally
        ->  Custom Scan (Citus Adaptive)
              Tier: scatter
              Task Count: 32
              Shards Pruned: 0 of 32
              Tasks Shown: One of 32
              ->  Task
                    Node: host=H port=P dbname=app
                    ->  HashAggregate
                          Group Key: name
                          ->  Seq Scan on users
  ->  Insert on users
        ->  Subquery Scan on "*SELECT*"
              ->  HashAggregate
                    Group Key: s.c1
                    ->  Seq Scan on subquery_1 s`,
    )
    t.equal(
      await lines(
        "EXPLAIN (COSTS OFF) INSERT INTO users (tenant, id, name) SELECT id, tenant, 'x' FROM users",
      ),
      `Custom Scan (Citus INSERT ... SELECT)
  INSERT/SELECT method: repartition
  ->  Custom Scan (Citus Adaptive)
        Tier: scatter
        Task Count: 32
        Shards Pruned: 0 of 32
        Tasks Shown: One of 32
        ->  Task
              Node: host=H port=P dbname=app
              ->  Seq Scan on users`,
    )
    const measured = await lines(
      'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT count(*) FROM kinds k JOIN users USING (kind)'.replace(
        'users USING (kind)',
        'users u ON u.name = k.kind',
      ),
    )
    t.match(measured, /Tuple data received from nodes: \d+ bytes/)
    t.match(measured, /Tasks Shown: One of 32/)
    const all = await lines(
      `SET citus.explain_all_tasks = on; EXPLAIN SELECT * FROM users WHERE tenant IN (1, 2)`,
    )
    t.equal(all.match(/Node: /g)?.length, 2)
    await pair.proxy.run('RESET citus.explain_all_tasks')
  })

  await t.test('what is sent to the nodes for a join', async (t) => {
    const joins = [
      'SELECT count(*), sum(e.amount), min(u.name) FROM events e JOIN users u ON e.id = u.id',
      'SELECT u.name, e.id FROM users u LEFT JOIN events e ON e.id = u.id + 5 ORDER BY 1 LIMIT 7',
      'SELECT count(*) FROM users u WHERE EXISTS (SELECT * FROM events e WHERE e.id = u.id AND e.tenant > 3)',
    ]
    await pair.proxy.run('SET pgloom.broadcast_joins = always')
    for (const sql of joins) {
      const stock = await pair.stock.run(sql)
      const proxy = await pair.proxy.run(sql)
      t.same(proxy.results[0]?.rows, stock.results[0]?.rows, sql)
      for (const options of ['', 'ANALYZE, TIMING OFF, ']) {
        const text = await pair.proxy.run(`EXPLAIN (${options}COSTS OFF) ${sql}`)
        const lines = text.results[0]?.rows.map(([line]) => line).join('\n') ?? ''
        t.match(lines, 'Result destination: Send to 2 nodes', sql)
        t.notMatch(lines, /pgloom_/, 'no names of ours')
      }
    }
    await pair.proxy.run(
      'SET pgloom.broadcast_joins = never; SET pgloom.repartition_joins = always',
    )
    for (const sql of joins) {
      for (const options of ['', 'ANALYZE, TIMING OFF, ']) {
        const text = await pair.proxy.run(`EXPLAIN (${options}COSTS OFF) ${sql}`)
        const lines = text.results[0]?.rows.map(([line]) => line).join('\n') ?? ''
        t.notMatch(lines, /pgloom_/, 'no names of ours')
      }
    }
    const split = await lines(`EXPLAIN (COSTS OFF) ${joins[0]}`)
    t.match(split, 'Result destination: Split by id over 2 nodes')
    await pair.proxy.run('RESET pgloom.broadcast_joins; RESET pgloom.repartition_joins')
  })

  await t.test('DISTINCT values', async (t) => {
    const sql = 'SELECT count(DISTINCT name) FROM users'
    t.notMatch(await lines(`EXPLAIN ${sql}`), 'Distinct Values', 'few')
    await pair.proxy.run('SET pgloom.exchange_distinct_values = always')
    for (const options of ['', 'ANALYZE, ', 'FORMAT JSON, ']) {
      const shown = await lines(`EXPLAIN (${options}COSTS OFF) ${sql}`)
      t.match(shown, /Distinct Values"?: "?split by hash over 2 nodes/)
    }
    await pair.proxy.run('RESET pgloom.exchange_distinct_values')
  })

  await t.test('EXECUTE', async (t) => {
    await pair.proxy.run(
      `PREPARE one(int) AS SELECT * FROM users WHERE tenant = $1; PREPARE all_of AS SELECT count(*) FROM events WHERE id > $1;
       PREPARE here AS SELECT * FROM plain WHERE x = $1; PREPARE change AS UPDATE users SET name = $2 WHERE id = $1`,
    )
    t.match(await lines('EXPLAIN EXECUTE one(3)'), /Tier: router[\s\S]*Filter: \(tenant = 3\)/)
    t.match(await lines('EXPLAIN ANALYZE EXECUTE all_of(3)'), /Tier: combine[\s\S]*id > 3/)
    t.match(await lines('EXPLAIN EXECUTE here(3)'), /Index Cond: \(x = 3\)/)
    t.match(await lines(`EXPLAIN ANALYZE EXECUTE change(5, 'explained')`), /Update on users/)
    t.equal(await pair.proxy.value('SELECT name FROM users WHERE id = 5'), 'explained')
    const { results } = await pair.proxy.extended(
      'EXPLAIN (FORMAT JSON) EXECUTE one(3)',
      [],
      'text',
    )
    t.equal(results[0]?.fields?.[0]?.typeOid, 114)
    t.ok(JSON.parse(results[0]?.rows[0]?.[0] ?? ''))
    const few = await pair.proxy.simple('EXPLAIN EXECUTE one')
    t.equal(few.error?.sqlState, '42601')
  })

  await t.test(
    'what has an effect has it once, though the shards are read for plan and rows',
    async (t) => {
      for (const side of [pair.stock, pair.proxy]) {
        await side.run('CREATE SEQUENCE drawn')
        for (const sql of [
          "SELECT id, nextval('drawn') FROM kinds, users ORDER BY id",
          "SELECT count(nextval('drawn')) FROM users WHERE tenant < 9",
          "SELECT count(*) FROM users u JOIN plain p ON u.id = p.x AND nextval('drawn') > 0",
        ]) {
          await side.run(`EXPLAIN ANALYZE ${sql}`)
        }
      }
      const drawn = "SELECT nextval('drawn')"
      t.equal(await pair.proxy.value(drawn), await pair.stock.value(drawn))
    },
  )

  await t.test('a read-only transaction stays one', async (t) => {
    for (const sql of [
      'EXPLAIN INSERT INTO plain SELECT id + 500 FROM events',
      'EXPLAIN ANALYZE SELECT * FROM events e JOIN users u ON e.id = u.id',
      'INSERT INTO plain SELECT id + 500 FROM events',
      'EXPLAIN ANALYZE INSERT INTO plain SELECT id + 500 FROM events',
      'EXPLAIN ANALYZE UPDATE events SET f = 0',
    ]) {
      await pair.stock.run('BEGIN READ ONLY')
      await pair.proxy.run('BEGIN READ ONLY')
      const stock = await pair.stock.simple(sql)
      const proxy = await pair.proxy.simple(sql)
      t.equal(proxy.error?.sqlState, stock.error?.sqlState, sql)
      await pair.stock.run('ROLLBACK')
      await pair.proxy.run('ROLLBACK')
    }
  })

  await t.test('errors are those of the statement', async (t) => {
    for (const sql of [
      'EXPLAIN (NONSENSE) SELECT * FROM users WHERE tenant = 1',
      'EXPLAIN (FORMAT nonsense) SELECT * FROM users WHERE tenant = 1',
      'EXPLAIN (TIMING) SELECT * FROM users WHERE tenant = 1',
      'EXPLAIN SELECT nothing FROM users WHERE tenant = 1',
      'EXPLAIN SELECT nothing FROM users',
      'EXPLAIN SELECT nothing, count(*) FROM users',
      'EXPLAIN ANALYZE SELECT 1 / (tenant - tenant) FROM users WHERE tenant = 1',
      'EXPLAIN ANALYZE SELECT sum(1 / (tenant - tenant)) FROM users',
    ]) {
      const stock = await pair.stock.simple(sql)
      const proxy = await pair.proxy.simple(sql)
      t.equal(proxy.error?.sqlState, stock.error?.sqlState, sql)
    }
    const refused =
      'INSERT INTO users (tenant) VALUES (1) ON CONFLICT (tenant) DO UPDATE SET tenant = 2'
    const plain = await pair.proxy.simple(refused)
    const { error } = await pair.proxy.simple(`EXPLAIN ${refused}`)
    t.ok(error !== undefined)
    t.same(error, plain.error)
    const work = await pair.proxy.simple("EXPLAIN SELECT create_reference_table('plain')")
    t.equal(work.error?.sqlState, '0A000', 'what only the proxy does has no plan')
  })
})

/** The first tag that doesn't close what is open; undefined: all do. */
function illFormed(xml: string): string | undefined {
  const open: string[] = []
  for (const [tag, slash, name = ''] of xml.matchAll(/<(\/?)([\w.-]+)[^<>]*>/g)) {
    if (slash === '') open.push(name)
    else if (open.pop() !== name) return tag
  }
  const loose = xml.replaceAll(/<\/?[\w.-]+[^<>]*>/g, '').replaceAll(/&(?:amp|lt|gt|#x0d);/g, '')
  return open[0] ?? /[<>&]/.exec(loose)?.[0]
}
