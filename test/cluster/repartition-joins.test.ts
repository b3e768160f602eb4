import t, { type Test } from 'tap'
import { ClusterPair, loadScript } from '../parity/cluster-pair.ts'
import { nodeUrls, valueOn } from '../support/node-urls.ts'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const SETUP = `
CREATE TABLE readers (id int PRIMARY KEY, friend bigint, note text, pad text);
CREATE TABLE books (isbn int PRIMARY KEY, reader int NOT NULL, title varchar(30), pages int);
SELECT create_distributed_table('readers', 'id', shard_count => 6);
SELECT create_distributed_table('books', 'isbn', colocate_with => 'none', shard_count => 4);
INSERT INTO readers SELECT g, CASE WHEN g % 7 > 0 THEN g % 1000 END, 'note ' || g % 50, repeat('x', g % 90) FROM generate_series(1, 20000) g;
INSERT INTO books SELECT g, (g * 31) % 21000, 'note ' || g % 70, g % 900 FROM generate_series(1, 30000) g;
ANALYZE;
`
const LEFT =
  "SELECT count(*) FROM pg_class WHERE relname LIKE 'pgloom_pulled%' OR relname LIKE 'pgloom_broadcast%'"
const JOIN =
  'SELECT count(*), sum(b.pages), max(r.pad) FROM readers r JOIN books b ON b.reader = r.id'
const SLOW =
  'SELECT count(*) FROM readers r JOIN books b ON b.reader = r.id WHERE (SELECT max(x) FROM generate_series(1, 20000 + b.isbn + r.id) x) > 0'

t.test('joins whose rows go from shard to shard', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await loadScript(pair, SETUP)
  const { proxy, stock } = pair
  const urls = await nodeUrls(pair.proxyUrl)
  await proxy.run('SET pgloom.broadcast_joins = never; SET pgloom.repartition_joins = always')
  const shown = ({ error, results }: Answer) =>
    error?.sqlState ?? [results.at(-1)?.tag, results.at(-1)?.rows]
  const onBoth = async (sql: string): Promise<void> => {
    const [own, other] = [await proxy.simple(sql), await stock.simple(sql)]
    t.same(shown(own), shown(other), sql)
  }
  const nothingIsLeft = async (t: Test): Promise<void> => {
    for (const url of urls) t.equal(await valueOn(url, LEFT), '0', 'no table is left')
    await onBoth(JOIN)
  }

  await t.test('one side is where it is joined, or none', async (t) => {
    await onBoth(JOIN)
    await onBoth(
      'SELECT r.friend, count(*), count(f.id), sum(length(f.pad)) FROM readers r LEFT JOIN readers f ON f.id = r.friend GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 9',
    )
    await onBoth(
      'SELECT r.note, count(*), sum(b.pages) FROM readers r FULL JOIN books b ON b.title = r.note WHERE coalesce(r.id, 3) % 10 = 3 AND coalesce(b.isbn, 4) % 10 = 4 GROUP BY 1 ORDER BY 1',
    )
    await nothingIsLeft(t)
  })

  await t.test('setting', async (t) => {
    const explained = async (): Promise<string> => {
      const { results } = await proxy.run(`EXPLAIN ${JOIN}`)
      return results[0]?.rows.map(([line]) => line).join('\n') ?? ''
    }
    t.match(await explained(), 'Split by reader over 2 nodes')
    await proxy.run('SET pgloom.repartition_joins = never')
    t.match(await explained(), 'Tier: pull')
    await proxy.run('SET pgloom.repartition_joins = auto')
    t.match(await explained(), 'Tier: pull', 'too few rows')
    t.equal((await proxy.simple('SET pgloom.repartition_joins = maybe')).error?.sqlState, '22023')
    await proxy.run('SET pgloom.repartition_joins = always')
  })

  await t.test('errors leave nothing behind', async (t) => {
    await onBoth('SELECT sum(b.pages / (r.id - 77)) FROM readers r JOIN books b ON b.reader = r.id')
    await nothingIsLeft(t)
    await onBoth(
      'SELECT count(*) FROM readers r JOIN books b ON b.reader = r.id AND 1 / (b.isbn - 29000) = 0',
    )
    await nothingIsLeft(t)
    await proxy.run('SET citus.max_intermediate_result_size = 100')
    t.equal((await proxy.simple(JOIN)).error?.sqlState, '54000')
    await proxy.run('RESET citus.max_intermediate_result_size')
    await nothingIsLeft(t)
    await proxy.run(`SET statement_timeout = '400ms'`)
    t.equal((await proxy.simple(SLOW)).error?.sqlState, '57014')
    await proxy.run('RESET statement_timeout')
    await nothingIsLeft(t)
  })

  await t.test('in a block', async (t) => {
    const way = async (): Promise<string> => {
      const { results } = await proxy.run(`EXPLAIN ${JOIN}`)
      const lines = results[0]?.rows.map(([line]) => line).join('\n') ?? ''
      return lines.includes('Split by reader over 2 nodes') ? 'split' : 'pulled'
    }
    const block = async (name: string, begin: readonly string[], expected: string) => {
      for (const statement of begin) await onBoth(statement)
      await onBoth(JOIN)
      t.equal(await way(), expected, name)
      await onBoth('ROLLBACK')
    }
    await block('that has done nothing', ['BEGIN'], 'split')
    await block('that has read', ['BEGIN', 'SELECT count(*) FROM books', JOIN], 'split')
    await block('that reads only', ['BEGIN READ ONLY', 'SELECT 1 FROM books LIMIT 1'], 'split')
    await block('of one snapshot', ['BEGIN ISOLATION LEVEL REPEATABLE READ'], 'pulled')
    const update = 'UPDATE readers SET friend = 3 WHERE id < 500'
    await block('that has written', ['BEGIN', JOIN, update], 'pulled')
    await block(
      'whose writes are taken back',
      ['BEGIN', 'SAVEPOINT s', update, 'ROLLBACK TO s'],
      'pulled',
    )
    await block(
      'that locks rows',
      ['BEGIN', 'SELECT id FROM readers WHERE id = 3 FOR UPDATE'],
      'pulled',
    )
    await block('that locks a table', ['BEGIN', 'LOCK TABLE books'], 'pulled')
    await block(
      'that added a column',
      ['BEGIN', 'ALTER TABLE readers ADD COLUMN added int'],
      'pulled',
    )
    const many = `SELECT isbn, pages * interval '1 hour' AS t, repeat('x', 40) FROM books ORDER BY 1`
    const shown = `SELECT max((b.pages * interval '1 hour')::text) FROM readers r JOIN books b ON b.reader = r.id`
    for (const statement of [
      'BEGIN',
      `SET LOCAL IntervalStyle = 'sql_standard'`,
      many,
      shown,
      'ROLLBACK',
    ])
      await onBoth(statement)
    await proxy.run('BEGIN')
    const now = await proxy.value('SELECT now()')
    const joined = JOIN.replace('count(*)', 'max(now())')
    t.equal(await proxy.value(joined), now, 'the time is the block’s')
    await proxy.run('ROLLBACK')
    await nothingIsLeft(t)
  })

  await t.test('a block writes on several servers after it', async (t) => {
    for (const statement of [
      'BEGIN',
      JOIN,
      'UPDATE readers SET pad = $$y$$ WHERE id < 50',
      JOIN,
      'COMMIT',
    ])
      await onBoth(statement)
    await nothingIsLeft(t)
    for (const statement of ['BEGIN', `${JOIN} AND 1 / (b.isbn - 29000) = 0`, 'SELECT 1', 'COMMIT'])
      await onBoth(statement)
    await nothingIsLeft(t)
  })

  await t.test('a server ends a connection in the midst of it', async (t) => {
    const victim = await RawClient.connect(urls[1] ?? '')
    const ended = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()`
    const ending = until('the join is running', 60_000, async () => {
      return (await victim.value(ended)) !== '0'
    })
    const answer = await proxy.simple(SLOW).catch((error: Error) => ({ error }))
    t.ok(answer.error, 'the client is told')
    await ending
    victim.close()
    for (const url of urls) {
      await until('no table is left', 60_000, async () => (await valueOn(url, LEFT)) === '0')
    }
  })
})
