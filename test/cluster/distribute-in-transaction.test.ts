import t from 'tap'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

function firstValue({ results }: Answer): string | null | undefined {
  return results.at(-1)?.rows[0]?.[0]
}

t.test('tables made and distributed in an open transaction', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const [first, second] = await Promise.all([cluster.startProxy(), cluster.startProxy()])
  const a = await RawClient.connect(first.url)
  const neighbour = await RawClient.connect(first.url)
  const elsewhere = await RawClient.connect(second.url)
  const others = [neighbour, elsewhere]
  t.teardown(() => {
    for (const client of [a, ...others]) client.close()
  })

  const inShards = async (client: RawClient, table: string) =>
    await client.value(`SELECT count(*) FROM citus_shards WHERE table_name::text = '${table}'`)

  await t.test('are distributed for their own transaction at once', async (t) => {
    await a.run('BEGIN')
    await a.run('CREATE TABLE t (k int PRIMARY KEY, v text)')
    await a.run(`SELECT create_distributed_table('t', 'k')`)
    await a.run(`INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g`)
    await a.run(`INSERT INTO t VALUES (101, 'one'), (102, 'two')`)
    t.equal(await a.value('SELECT count(*) FROM t'), '102')
    t.equal(await a.value('SELECT v FROM t WHERE k = 101'), 'one')
    await a.run('CREATE INDEX t_v ON t (v)')
    await a.run('ALTER TABLE t ADD COLUMN extra int DEFAULT 7')
    t.equal(await a.value('SELECT sum(extra) FROM t'), '714')
    const bound = await a.extended('SELECT extra FROM t WHERE k = $1', ['5'], 'text')
    t.equal(firstValue(bound), '7')
    const { results } = await a.run('UPDATE t SET extra = 8 WHERE k <= 10')
    t.equal(results[0]?.tag, 'UPDATE 10')
    for (const client of others) {
      const { error } = await client.simple('SELECT count(*) FROM t')
      t.equal(error?.sqlState, '42P01', 'nobody else sees it')
    }
    await a.run('COMMIT')
    for (const client of [a, neighbour]) {
      t.equal(await client.value('SELECT sum(extra) FROM t'), '724', 'at once after COMMIT')
    }
    await until('the other proxy sees it', 60_000, async () => {
      const { error, results } = await elsewhere.simple('SELECT sum(extra) FROM t')
      return error === undefined && results[0]?.rows[0]?.[0] === '724'
    })
    t.equal(await inShards(a, 't'), '32')
  })

  await t.test('ROLLBACK leaves nothing', async (t) => {
    await a.run('BEGIN; CREATE TABLE gone (k int)')
    await a.run(`SELECT create_distributed_table('gone', 'k')`)
    await a.run('INSERT INTO gone SELECT generate_series(1, 50)')
    t.equal(await a.value('SELECT count(*) FROM gone'), '50')
    await a.run('ROLLBACK')
    const { error } = await a.simple('SELECT count(*) FROM gone')
    t.equal(error?.sqlState, '42P01')
    t.equal(await inShards(a, 'gone'), '0')
  })

  await t.test('a failed statement and its ROLLBACK leave nothing', async (t) => {
    await a.run('BEGIN; CREATE TABLE gone (k int PRIMARY KEY)')
    await a.run(`SELECT create_distributed_table('gone', 'k')`)
    await a.run('INSERT INTO gone VALUES (1), (2)')
    t.equal((await a.simple('INSERT INTO gone VALUES (1)')).error?.sqlState, '23505')
    t.equal((await a.simple('SELECT * FROM gone')).error?.sqlState, '25P02')
    t.equal((await a.simple('COMMIT')).results[0]?.tag, 'ROLLBACK')
    t.equal((await a.simple('SELECT * FROM gone')).error?.sqlState, '42P01')
  })

  await t.test('ROLLBACK TO a savepoint takes the distribution back', async (t) => {
    await a.run('BEGIN; CREATE TABLE s (k int PRIMARY KEY); INSERT INTO s VALUES (1), (2)')
    await a.run('SAVEPOINT local')
    await a.run(`SELECT create_distributed_table('s', 'k')`)
    await a.run('INSERT INTO s VALUES (3), (4)')
    t.equal(await a.value('SELECT count(*) FROM s'), '4')
    await a.run('ROLLBACK TO local')
    t.equal(await a.value('SELECT count(*) FROM s'), '2', 'local again')
    await a.run('INSERT INTO s VALUES (5)')
    await a.run('COMMIT')
    t.equal(await a.value('SELECT count(*) FROM s'), '3')
    t.equal(await inShards(a, 's'), '0')
  })

  await t.test('a script of one message', async (t) => {
    const answer = await a.run(
      `CREATE TABLE script (k int PRIMARY KEY, v int); SELECT create_distributed_table('script', 'k');
       INSERT INTO script SELECT g, g FROM generate_series(1, 20) g; SELECT sum(v) FROM script`,
    )
    t.equal(firstValue(answer), '210')
    t.equal(await neighbour.value('SELECT sum(v) FROM script'), '210')
    const explicit = await a.run(
      `BEGIN; CREATE TABLE script2 (k int PRIMARY KEY); SELECT create_distributed_table('script2', 'k');
       INSERT INTO script2 VALUES (1), (2), (3); COMMIT; SELECT count(*) FROM script2`,
    )
    t.equal(firstValue(explicit), '3')
    const failed = await a.simple(
      `CREATE TABLE gone (k int); SELECT create_distributed_table('gone', 'k'); INSERT INTO gone VALUES (1); SELECT 1/0`,
    )
    t.equal(failed.error?.sqlState, '22012')
    t.equal((await a.simple('SELECT * FROM gone')).error?.sqlState, '42P01')
  })

  await t.test('DDL on a distributed table, rolled back and committed', async (t) => {
    const star = 'SELECT * FROM script WHERE k = 1'
    await a.run(star)
    await neighbour.run(star)
    await a.run('BEGIN; ALTER TABLE script ADD COLUMN w int DEFAULT 1')
    t.equal(await a.value('SELECT sum(w) FROM script'), '20')
    t.equal((await a.run(star)).results[0]?.fields?.length, 3)
    await a.run('ROLLBACK')
    t.equal((await a.run(star)).results[0]?.fields?.length, 2)
    t.equal((await neighbour.run(star)).results[0]?.fields?.length, 2)
    t.equal((await a.simple('SELECT sum(w) FROM script')).error?.sqlState, '42703')
    await a.run('BEGIN; DROP TABLE script; CREATE TABLE script (only_here int)')
    await a.run('INSERT INTO script VALUES (1)')
    t.equal(await a.value('SELECT count(*) FROM script'), '1', 'a local table of that name')
    await a.run('ROLLBACK')
    t.equal(await a.value('SELECT count(*) FROM script'), '20')
  })

  await t.test('reference tables, and making a table local again', async (t) => {
    await a.run('BEGIN; CREATE TABLE ref (k int PRIMARY KEY)')
    await a.run(`SELECT create_reference_table('ref')`)
    await a.run('INSERT INTO ref SELECT generate_series(1, 5)')
    t.equal(await a.value('SELECT count(*) FROM script JOIN ref USING (k)'), '5')
    await a.run('COMMIT')
    t.equal(await neighbour.value('SELECT count(*) FROM script JOIN ref USING (k)'), '5')
    await a.run('BEGIN')
    await a.run(`SELECT undistribute_table('script')`)
    await a.run('DELETE FROM script WHERE k > 10')
    t.equal(await a.value('SELECT count(*) FROM script'), '10')
    await a.run('ROLLBACK')
    t.equal(await a.value('SELECT count(*) FROM script'), '20')
  })
})
