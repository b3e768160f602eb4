import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

/** Joined with a local table: evaluated on the coordinator. */
const RAISE = 'UPDATE stock SET amount = amount + d.n FROM deltas d WHERE d.item = stock.item'

t.test('writes that the coordinator evaluates, between others', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(cluster.url)))
  t.teardown(() => {
    for (const client of clients) client.close()
  })
  const [a, b, watcher] = clients
  if (a === undefined || b === undefined || watcher === undefined) throw new Error('no clients')
  for (const sql of [
    'CREATE TABLE stock (item int PRIMARY KEY, amount int, note text)',
    'CREATE TABLE boxes (item int REFERENCES stock ON DELETE CASCADE, box int, PRIMARY KEY (item, box))',
    'CREATE TABLE prices (item int PRIMARY KEY, price float8, token uuid, seen timestamptz)',
    'CREATE TABLE deltas (item int, n int)',
    `SELECT create_distributed_table('stock', 'item')`,
    `SELECT create_distributed_table('boxes', 'item', colocate_with => 'stock')`,
    `SELECT create_reference_table('prices')`,
    'INSERT INTO stock SELECT g, 0 FROM generate_series(1, 20) g',
    'INSERT INTO boxes SELECT g, 1 FROM generate_series(1, 5) g',
    'INSERT INTO prices SELECT g, g FROM generate_series(1, 20) g',
    'INSERT INTO deltas SELECT g, 1 FROM generate_series(1, 10) g',
  ]) {
    await a.run(sql)
  }
  const blocked = async (): Promise<void> => {
    const sql = `SELECT sum(result::int) FROM run_command_on_all_nodes('SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = ''Lock''')`
    while ((await watcher.value(sql)) === '0') {
      // until the other waits
    }
  }
  const inTurn = async (first: string, second: string): Promise<void> => {
    await a.run('BEGIN')
    await a.run(first)
    const waiting = b.run(second)
    await blocked()
    await a.run('COMMIT')
    await waiting
  }

  await t.test('a row is changed as it is when its turn comes', async (t) => {
    await inTurn('UPDATE stock SET amount = 100 WHERE item = 3', RAISE)
    t.equal(await a.value('SELECT amount FROM stock WHERE item = 3'), '101')
    await inTurn(RAISE, 'UPDATE stock SET amount = amount * 10 WHERE item = 4')
    t.equal(await a.value('SELECT amount FROM stock WHERE item = 4'), '20')
    await inTurn(RAISE, RAISE)
    t.equal(await a.value('SELECT amount FROM stock WHERE item = 5'), '4')
  })

  await t.test('rows that another is changing are not met once they no longer match', async (t) => {
    await inTurn(
      `UPDATE stock SET note = 'closed' WHERE item = 6`,
      `${RAISE} AND stock.note IS NULL`,
    )
    t.equal(await a.value('SELECT amount FROM stock WHERE item = 6'), '4')
    t.equal(await a.value('SELECT amount FROM stock WHERE item = 7'), '5')
  })

  await t.test('a new key is inserted once', async (t) => {
    const upsert =
      'INSERT INTO stock SELECT g, 1 FROM generate_series(30, 34) g ON CONFLICT (item) DO UPDATE SET amount = stock.amount + excluded.amount'
    await inTurn(upsert, upsert)
    t.equal(await a.value('SELECT sum(amount) FROM stock WHERE item >= 30'), '10')
  })

  await t.test('so is one whose conflict is decided by other tables', async (t) => {
    const upsert =
      'INSERT INTO stock SELECT g, 1 FROM generate_series(40, 44) g ON CONFLICT (item) DO UPDATE SET amount = stock.amount + (SELECT min(n) FROM deltas)'
    await inTurn(upsert, upsert)
    t.equal(await a.value('SELECT sum(amount) FROM stock WHERE item >= 40'), '10')
    await inTurn('DELETE FROM stock WHERE item = 40', upsert)
    t.equal(await a.value('SELECT sum(amount) FROM stock WHERE item >= 40'), '13')
  })

  await t.test('who gives up has changed nothing', async (t) => {
    const before = await a.value('SELECT sum(amount) FROM stock')
    await a.run('BEGIN')
    await a.run('SELECT FROM stock WHERE item = 1 FOR UPDATE')
    await b.run(`SET statement_timeout = '300ms'`)
    t.equal((await b.simple(RAISE)).error?.sqlState, '57014')
    await b.run('RESET statement_timeout')
    await a.run('ROLLBACK')
    t.equal(await b.value('SELECT sum(amount) FROM stock'), before)
    await b.run('BEGIN')
    await b.run('SAVEPOINT s')
    await b.run(RAISE)
    t.equal((await b.simple(`${RAISE} AND 1 / (d.n - 1) = 0`)).error?.sqlState, '22012')
    await b.run('ROLLBACK TO s')
    await b.run(RAISE)
    await b.run('ROLLBACK')
    t.equal(await b.value('SELECT sum(amount) FROM stock'), before)
  })

  await t.test('rows that can not be made are told of before others are brought', async (t) => {
    await a.run(
      `INSERT INTO stock SELECT g, 0, repeat('x', 1000) FROM generate_series(5001, 6000) g`,
    )
    await a.run('SET citus.max_intermediate_result_size = 64')
    const upsert = (rows: string) =>
      `INSERT INTO stock ${rows} ON CONFLICT (item) DO UPDATE SET amount = excluded.amount + (SELECT min(n) FROM deltas)`
    const states: (string | undefined)[] = []
    for (const rows of [
      'SELECT g, 1 / (g - 5003) FROM generate_series(5001, 5009) g',
      "SELECT 5001, CASE WHEN random() < 2 THEN 'x' ELSE '1' END::int",
      'SELECT NULL, n FROM deltas',
      'SELECT g, g FROM generate_series(5001, 5009) g',
    ]) {
      states.push((await a.simple(upsert(rows))).error?.sqlState)
    }
    t.same(states, ['22012', '22P02', '23502', undefined])
    await a.run('RESET citus.max_intermediate_result_size')
    await a.run('DELETE FROM stock WHERE item > 5000')
  })

  await t.test('a row that others refer to moves where they follow only', async (t) => {
    const move = 'UPDATE stock SET item = item + 1000 WHERE item IN (1, 12)'
    const { error } = await a.simple(move)
    t.equal(error?.sqlState, '23503')
    t.equal(await a.value('SELECT count(*) FROM boxes'), '5')
    t.equal((await a.simple('UPDATE boxes SET item = 12, box = 3 WHERE item = 1')).error, undefined)
    t.equal((await a.simple('UPDATE boxes SET item = 99 WHERE item = 2')).error?.sqlState, '23503')
    t.equal(await a.value('SELECT box FROM boxes WHERE item = 12'), '3')
  })

  await t.test('copies of a reference table stay the same', async (t) => {
    const copies = `SELECT count(DISTINCT result) FROM run_command_on_all_nodes('SELECT md5(string_agg(p::text, '','' ORDER BY item)) FROM prices p')`
    for (const sql of [
      'UPDATE prices SET price = random(), token = gen_random_uuid(), seen = clock_timestamp()',
      'INSERT INTO prices SELECT g, random() FROM generate_series(15, 25) g ON CONFLICT (item) DO UPDATE SET price = excluded.price, seen = now()',
      'MERGE INTO prices p USING stock s ON s.item = p.item WHEN MATCHED AND s.item < 4 THEN DELETE WHEN MATCHED THEN UPDATE SET price = random() WHEN NOT MATCHED THEN INSERT VALUES (s.item, random())',
      'WITH d AS (DELETE FROM prices WHERE price < 0.5 RETURNING *) INSERT INTO deltas SELECT item, 1 FROM d',
      'UPDATE prices SET item = item + 500 WHERE random() < 0.5',
    ]) {
      await a.run(sql)
      t.equal(await a.value(copies), '1', sql)
    }
  })

  await t.test('nothing of it is left', async (t) => {
    const left = `SELECT sum(result::int) FROM run_command_on_all_nodes('SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN (''pgloom_scratch'', ''pgloom_guards'') AND relkind = ''r''')`
    t.equal(await a.value(left), '0')
  })
})
