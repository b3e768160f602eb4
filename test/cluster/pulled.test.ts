import t from 'tap'
import { nodeUrls, valueOn } from '../support/node-urls.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

/** Not joined on the distribution column: only all rows together give the answer. */
const PAIRS = 'SELECT count(*) FROM a JOIN b ON a.v = b.id'
const LEFT_BEHIND = `SELECT count(*) FROM pg_class WHERE relname LIKE 'pgloom\\_pulled%'`

t.test('statements over rows that are brought together', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const client = await RawClient.connect(cluster.url)
  for (const sql of [
    'CREATE TABLE a (id int PRIMARY KEY, v int, note text)',
    'CREATE TABLE b (id int PRIMARY KEY, v int)',
    'CREATE TABLE near (id int)',
    `SELECT create_distributed_table('a', 'id')`,
    `SELECT create_distributed_table('b', 'id', colocate_with => 'none')`,
    `INSERT INTO a SELECT g, g % 50, repeat('x', 100) FROM generate_series(1, 1000) g`,
    'INSERT INTO b SELECT g, g % 7 FROM generate_series(1, 100) g',
    'INSERT INTO near SELECT generate_series(1, 10)',
  ]) {
    await client.run(sql)
  }

  t.equal(await client.value(PAIRS), '980', 'a join on other columns')
  t.equal(
    await client.value('SELECT count(*) FROM a JOIN near USING (id)'),
    '10',
    'with a local table',
  )
  t.equal(
    await client.value('SELECT sum(id) FROM (SELECT id FROM a UNION SELECT v FROM b) x'),
    '500500',
    'a set operation',
  )

  await t.test('sees what its own transaction wrote, and nobody else does', async (t) => {
    const other = await RawClient.connect(cluster.url)
    await client.run('BEGIN')
    await client.run('INSERT INTO a SELECT g, 1 FROM generate_series(2001, 2010) g')
    t.equal(await client.value(PAIRS), '990')
    t.equal(await other.value(PAIRS), '980')
    await client.run('ROLLBACK')
    t.equal(await client.value(PAIRS), '980')
    other.close()
  })

  await t.test('works in read-only transactions, on their snapshot', async (t) => {
    const other = await RawClient.connect(cluster.url)
    await client.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    t.equal(await client.value('SELECT count(*) FROM near'), '10')
    await other.run('INSERT INTO near VALUES (11)')
    t.equal(await client.value('SELECT count(*) FROM a JOIN near USING (id)'), '10')
    await client.run('COMMIT')
    t.equal(await client.value('SELECT count(*) FROM a JOIN near USING (id)'), '11')
    await client.run('BEGIN READ ONLY')
    t.equal(await client.value(PAIRS), '980')
    await client.run('COMMIT')
    other.close()
  })

  await t.test('cursors read it, and keep it WITH HOLD', async (t) => {
    await client.run('BEGIN')
    await client.run(
      'DECLARE c SCROLL CURSOR FOR SELECT a.id FROM a JOIN b ON a.v = b.id ORDER BY 1',
    )
    await client.run(
      'DECLARE h CURSOR WITH HOLD FOR SELECT a.id FROM a JOIN b ON a.v = b.id ORDER BY 1 DESC',
    )
    t.equal(await client.value('FETCH c'), '1')
    t.equal(await client.value('FETCH LAST FROM c'), '999')
    t.equal(await client.value('FETCH PRIOR FROM c'), '998')
    await client.run('COMMIT')
    t.equal(await client.value('FETCH h'), '999')
    await client.run('CLOSE h')
  })

  await t.test('is bounded', async (t) => {
    await client.run('SET citus.max_intermediate_result_size = 10')
    const { error } = await client.simple(
      'SELECT count(DISTINCT a.note) FROM a JOIN b ON a.v = b.id',
    )
    t.match(error, {
      sqlState: '54000',
      message: /max_intermediate_result_size \(currently 10 kB\)/,
    })
    t.equal(await client.value('SELECT 1'), '1', 'and the session goes on')
    await client.run('RESET citus.max_intermediate_result_size')
  })

  for (const node of await nodeUrls(cluster.url)) t.equal(await valueOn(node, LEFT_BEHIND), '0')
  client.close()
})
