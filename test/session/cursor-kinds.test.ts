import t from 'tap'
import { ClusterPair } from '../parity/cluster-pair.ts'
import { runPsql } from '../support/psql.ts'
import { sameDialogue } from './dialogue.ts'

t.setTimeout(600_000)

const SETUP = `
  CREATE TABLE events (tenant int, id int, kind varchar(20), amount numeric(10,2), f float8, PRIMARY KEY (tenant, id));
  CREATE TABLE users (tenant int, id int, name text);
  CREATE TABLE kinds (kind text PRIMARY KEY, label text);
  CREATE TABLE plain (x int PRIMARY KEY);
  INSERT INTO events SELECT g % 20, g, 'kind ' || g % 3, g / 3.0, g / 7.0 FROM generate_series(1, 400) g;
  INSERT INTO users SELECT g % 20, g, 'user ' || g FROM generate_series(1, 100) g;
  INSERT INTO kinds VALUES ('kind 0', 'a'), ('kind 1', 'b');
  INSERT INTO plain SELECT generate_series(1, 10)`

/** Queries of every kind of plan, each with a total order. */
const QUERIES: readonly (readonly [kind: string, query: string])[] = [
  ['routed', 'SELECT id, kind, amount FROM events WHERE tenant = 7 ORDER BY id'],
  ['gathered', 'SELECT tenant, id, amount FROM events ORDER BY id DESC'],
  [
    'combined',
    'SELECT kind, count(*), sum(amount), max(f) FROM events GROUP BY kind ORDER BY kind',
  ],
  ['pulled', 'SELECT e.id, u.name FROM events e JOIN users u ON e.id = u.id ORDER BY 1'],
  [
    'joined',
    'SELECT e.id, k.label FROM events e LEFT JOIN kinds k USING (kind) ORDER BY 1 LIMIT 50',
  ],
  ['set operation', 'SELECT id FROM events UNION SELECT id FROM users ORDER BY 1'],
  ['window', 'SELECT id, row_number() OVER (ORDER BY id DESC) FROM events ORDER BY 1'],
  ['reference', 'SELECT * FROM kinds ORDER BY 1'],
  ['local', 'SELECT * FROM plain ORDER BY 1'],
]

const MOVES = `FETCH 3 FROM c
  FETCH BACKWARD 2 FROM c
  FETCH PRIOR FROM c
  FETCH PRIOR FROM c
  FETCH NEXT FROM c
  FETCH RELATIVE 2 FROM c
  FETCH RELATIVE -1 FROM c
  FETCH RELATIVE 0 FROM c
  MOVE 2 FROM c
  FETCH ABSOLUTE 3 FROM c
  FETCH FORWARD 0 FROM c
  MOVE BACKWARD ALL IN c
  FETCH FORWARD ALL FROM c
  FETCH NEXT FROM c
  FETCH LAST FROM c
  FETCH BACKWARD ALL FROM c
  MOVE ABSOLUTE -2 IN c
  FETCH 5 FROM c
  FETCH FIRST FROM c
  EXTENDED: FETCH 2 FROM c
  CLOSE c`

const DECLARATIONS: readonly string[] = [
  'DECLARE c SCROLL CURSOR FOR',
  'DECLARE c BINARY INSENSITIVE SCROLL CURSOR WITHOUT HOLD FOR',
]

const COPY_OPTIONS: readonly string[] = [
  '',
  '(FORMAT csv, HEADER)',
  "(FORMAT csv, DELIMITER ';', FORCE_QUOTE *)",
  '(FORMAT binary)',
  "(NULL 'none')",
]

function dialogue(query: string): string {
  const scrolled = DECLARATIONS.map((declare) => `${declare} ${query}\n${MOVES}`)
  return `BEGIN
    ${scrolled.join('\n')}
    DECLARE n NO SCROLL CURSOR FOR ${query}
    FETCH 2 FROM n
    SAVEPOINT s
    FETCH BACKWARD 1 FROM n
    ROLLBACK TO s
    DECLARE h SCROLL CURSOR WITH HOLD FOR ${query}
    FETCH 1 FROM h
    COMMIT
    FETCH 2 FROM h
    FETCH BACKWARD ALL FROM h
    FETCH ALL FROM h
    CLOSE h
    DECLARE h2 NO SCROLL CURSOR WITH HOLD FOR ${query}
    FETCH 2 FROM h2
    CLOSE h2`
}

t.test('a cursor over any kind of plan is that of one Postgres', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.stock.run(SETUP)
  await pair.proxy.run(SETUP)
  await pair.proxy.run(
    `SELECT create_distributed_table('events', 'tenant'); SELECT create_distributed_table('users', 'tenant');
     SELECT create_reference_table('kinds')`,
  )
  for (const [kind, query] of QUERIES) {
    await t.test(kind, async (t) => sameDialogue(t, pair, dialogue(query)))
    await t.test(`${kind}: fetched by an asking program`, async (t) => {
      await sameDialogue(
        t,
        pair,
        `BEGIN
         EXTENDED: DECLARE c SCROLL CURSOR FOR ${query}
         EXTENDED: FETCH FORWARD 4 FROM c
         EXTENDED: MOVE LAST IN c
         EXTENDED: FETCH BACKWARD 2 FROM c
         ROLLBACK`,
      )
    })
    await t.test(`${kind}: COPY (query) TO`, async (t) => {
      const script = COPY_OPTIONS.map((options) => `COPY (${query}) TO STDOUT ${options};`).join(
        '\n',
      )
      const [stock, proxy] = [
        await runPsql(pair.stockUrl, script),
        await runPsql(pair.proxyUrl, script),
      ]
      t.same(proxy, stock)
    })
  }
})
