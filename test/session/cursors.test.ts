import t from 'tap'
import { ClusterPair } from '../parity/cluster-pair.ts'
import { sameDialogue } from './dialogue.ts'

t.setTimeout(600_000)

const SETUP = `
  CREATE TABLE events (tenant int, id int, kind varchar(20), amount numeric(10,2), PRIMARY KEY (tenant, id));
  CREATE TABLE wide (k int PRIMARY KEY, pad text);
  CREATE TABLE plain (x int PRIMARY KEY);
  INSERT INTO events SELECT g % 20, g, 'kind ' || g % 3, g / 3.0 FROM generate_series(1, 400) g;
  INSERT INTO wide SELECT g, repeat(md5(g::text), 40) FROM generate_series(1, 3000) g;
  INSERT INTO plain SELECT generate_series(1, 10)`

const DIALOGUES: readonly (readonly [title: string, lines: string])[] = [
  [
    'over one shard',
    `BEGIN
     DECLARE c SCROLL CURSOR FOR SELECT id, kind, amount FROM events WHERE tenant = 7 ORDER BY id
     FETCH 3 FROM c
     FETCH BACKWARD 2 IN c
     EXTENDED: FETCH FORWARD 4 FROM "c"
     MOVE ABSOLUTE 10 IN c
     FETCH RELATIVE 1 FROM c
     FETCH ALL IN "c"
     CLOSE c
     FETCH 1 FROM c
     ROLLBACK`,
  ],
  [
    'over all shards',
    `BEGIN
     DECLARE "my c" SCROLL CURSOR FOR SELECT tenant, id, kind AS "The Kind", amount FROM events ORDER BY id DESC
     FETCH 3 FROM "my c"
     FETCH BACKWARD 2 IN "my c"
     EXTENDED: FETCH FORWARD 4 FROM "my c"
     MOVE LAST IN "my c"
     FETCH PRIOR FROM "my c"
     FETCH ABSOLUTE -5 FROM "my c"
     FETCH ALL IN "my c"
     CLOSE "my c"
     CLOSE "my c"
     COMMIT`,
  ],
  [
    'aggregates, limits and distinct',
    `BEGIN
     DECLARE a CURSOR FOR SELECT kind, count(*), sum(amount), avg(amount) FROM events GROUP BY kind ORDER BY kind
     DECLARE b NO SCROLL CURSOR FOR SELECT DISTINCT kind FROM events ORDER BY 1 LIMIT 2
     DECLARE d BINARY CURSOR FOR SELECT id FROM events ORDER BY id LIMIT 2
     FETCH 1 FROM a
     FETCH 1 FROM b
     FETCH ALL FROM a
     FETCH ALL FROM b
     FETCH ALL FROM d
     CLOSE ALL
     FETCH 1 FROM a
     ROLLBACK`,
  ],
  [
    'with parameters',
    `BEGIN
     EXTENDED 7, 100: DECLARE p CURSOR FOR SELECT id FROM events WHERE tenant = $1 AND id > $2 ORDER BY id
     FETCH 2 FROM p
     EXTENDED 390: DECLARE q CURSOR FOR SELECT id, $1::int + 1 FROM events WHERE id > $1 ORDER BY id
     EXTENDED: FETCH ALL FROM q
     COMMIT`,
  ],
  [
    'more rows than are kept in memory',
    `BEGIN
     DECLARE w SCROLL CURSOR FOR SELECT k, pad FROM wide ORDER BY k
     FETCH 5 FROM w
     MOVE 2000 IN w
     FETCH 2 FROM w
     FETCH LAST FROM w
     FETCH FIRST FROM w
     DECLARE v CURSOR WITH HOLD FOR SELECT k, left(pad, 5) FROM wide ORDER BY k DESC
     COMMIT
     FETCH 3 FROM v
     FETCH 3 FROM w
     CLOSE v`,
  ],
  [
    'names are unique over all nodes',
    `BEGIN
     DECLARE c CURSOR FOR SELECT id FROM events WHERE tenant = 1 ORDER BY id
     SAVEPOINT s
     DECLARE c CURSOR FOR SELECT x FROM plain ORDER BY x
     ROLLBACK TO s
     DECLARE c CURSOR FOR SELECT id FROM events ORDER BY id
     ROLLBACK TO s
     FETCH 1 FROM c
     CLOSE c
     DECLARE c CURSOR FOR SELECT x FROM plain ORDER BY x
     FETCH 1 FROM c
     SAVEPOINT s2
     DECLARE c CURSOR FOR SELECT id FROM events WHERE tenant = 2 ORDER BY id
     ROLLBACK TO s2
     FETCH 1 FROM c
     ROLLBACK`,
  ],
  [
    'savepoints and rollback end them',
    `BEGIN
     DECLARE c1 CURSOR FOR SELECT id FROM events WHERE tenant = 3 ORDER BY id
     SAVEPOINT a
     DECLARE c2 CURSOR FOR SELECT id FROM events WHERE tenant = 4 ORDER BY id
     DECLARE c3 CURSOR FOR SELECT id FROM events ORDER BY id
     SAVEPOINT b
     RELEASE b
     FETCH 1 FROM c2
     ROLLBACK TO a
     FETCH 1 FROM c1
     SAVEPOINT d
     FETCH 1 FROM c2
     ROLLBACK TO d
     FETCH 1 FROM c3
     ROLLBACK TO d
     DECLARE c2 CURSOR FOR SELECT x FROM plain ORDER BY x
     FETCH 2 FROM c2
     COMMIT
     FETCH 1 FROM c1
     BEGIN
     DECLARE c1 CURSOR FOR SELECT id FROM events ORDER BY id
     ROLLBACK
     BEGIN
     FETCH 1 FROM c1
     ROLLBACK`,
  ],
  [
    'held ones outlive the transaction',
    `DECLARE h1 CURSOR WITH HOLD FOR SELECT id FROM events WHERE tenant = 5 ORDER BY id
     FETCH 2 FROM h1
     DECLARE h2 SCROLL CURSOR WITH HOLD FOR SELECT id FROM events ORDER BY id
     FETCH 2 FROM h2
     DECLARE h2 CURSOR WITH HOLD FOR SELECT x FROM plain
     BEGIN
     DECLARE h3 CURSOR WITH HOLD FOR SELECT count(*) FROM events
     ROLLBACK
     FETCH 1 FROM h3
     FETCH PRIOR FROM h2
     FETCH 1 FROM h1
     CLOSE ALL
     FETCH 1 FROM h1`,
  ],
  [
    'only in a transaction',
    `DECLARE c CURSOR FOR SELECT id FROM events WHERE tenant = 5
     DECLARE c CURSOR FOR SELECT id FROM events
     EXTENDED: DECLARE c CURSOR FOR SELECT id FROM events
     DECLARE c CURSOR FOR SELECT id FROM events ORDER BY id; FETCH 2 FROM c; FETCH 1 FROM c; CLOSE c
     BEGIN READ ONLY
     DECLARE c CURSOR FOR SELECT id FROM events ORDER BY id
     FETCH 2 FROM c
     COMMIT`,
  ],
  [
    'WHERE CURRENT OF',
    `BEGIN
     DECLARE c CURSOR FOR SELECT * FROM events WHERE tenant = 6 FOR UPDATE
     MOVE 2 FROM c
     UPDATE events SET kind = 'current' WHERE CURRENT OF c RETURNING tenant, kind
     FETCH 1 FROM c
     DELETE FROM events WHERE CURRENT OF c RETURNING tenant
     SELECT count(*), count(*) FILTER (WHERE kind = 'current') FROM events WHERE tenant = 6
     DELETE FROM events WHERE CURRENT OF nothing
     ROLLBACK`,
  ],
]

t.test('cursors over distributed tables are those of one Postgres', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.stock.run(SETUP)
  await pair.proxy.run(SETUP)
  await pair.proxy.run(
    `SELECT create_distributed_table('events', 'tenant'); SELECT create_distributed_table('wide', 'k')`,
  )
  for (const [title, lines] of DIALOGUES) {
    await t.test(title, async (t) => sameDialogue(t, pair, lines))
  }

  await t.test('without ORDER BY all rows come, in any order', async (t) => {
    await pair.proxy.run('BEGIN; DECLARE c CURSOR FOR SELECT id, kind FROM events')
    const rows: (string | null)[] = []
    for (;;) {
      const { results } = await pair.proxy.run('FETCH 150 FROM c')
      const fetched = results[0]?.rows ?? []
      if (fetched.length === 0) break
      rows.push(...fetched.map(([id = null]) => id))
    }
    await pair.proxy.run('COMMIT')
    t.equal(rows.length, 400)
    t.equal(new Set(rows).size, 400)
  })

  await t.test('WHERE CURRENT OF a cursor over several shards is refused', async (t) => {
    await pair.proxy.run('BEGIN; DECLARE c CURSOR FOR SELECT * FROM events; FETCH 1 FROM c')
    const { error } = await pair.proxy.simple(`DELETE FROM events WHERE CURRENT OF c`)
    t.equal(error?.sqlState, '0A000')
    await pair.proxy.run('ROLLBACK')
  })

  await t.test('writes to several nodes commit with a cursor open', async (t) => {
    await pair.proxy.run(
      `BEGIN; DECLARE c SCROLL CURSOR FOR SELECT k, pad FROM wide ORDER BY k; FETCH 2 FROM c;
       UPDATE events SET amount = 0; DECLARE h CURSOR WITH HOLD FOR SELECT sum(amount) FROM events; COMMIT`,
    )
    t.equal(await pair.proxy.value('SELECT sum(amount) FROM events'), '0.00')
    t.equal(await pair.proxy.value('FETCH 1 FROM h'), '0.00')
    await pair.proxy.run('CLOSE h')
  })
})
