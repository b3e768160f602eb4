import t, { type Test } from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

/** A proxy hears of a change by a notification, in milliseconds; on a busy machine that takes its time. */
const NEWS_MS = 60_000

t.setTimeout(600_000)

t.test('two proxies on one cluster', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const [first, second] = await Promise.all([cluster.startProxy(), cluster.startProxy()])
  const a = await RawClient.connect(first.url)
  const b = await RawClient.connect(second.url)
  t.teardown(() => {
    a.close()
    b.close()
  })

  await t.test('a table that one distributes is seen by the other', async (t) => {
    await a.run('CREATE TABLE t (k int PRIMARY KEY, v text)')
    await a.run(`INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g`)
    t.equal(await b.value('SELECT count(*) FROM t'), '100', 'while it is local')
    await a.run(`SELECT create_distributed_table('t', 'k')`)
    await untilRight(t, b, 'SELECT count(*) FROM t', '100')
    t.equal(await b.value('SELECT v FROM t WHERE k = 7'), 'v7')
    await b.run(`INSERT INTO t VALUES (101, 'by the other')`)
    t.equal(await a.value('SELECT v FROM t WHERE k = 101'), 'by the other')
  })

  await t.test('a new column is seen by the other', async (t) => {
    await a.run(`ALTER TABLE t ADD COLUMN extra int DEFAULT 5`)
    await untilRight(t, b, 'SELECT sum(extra) FROM t', '505')
  })

  await t.test('a prepared statement of the other follows', async (t) => {
    const sql = 'SELECT v FROM t WHERE k = $1'
    t.equal((await b.extended(sql, ['7'], 'text')).results[0]?.rows[0]?.[0], 'v7')
    await a.run('ALTER TABLE t ALTER COLUMN v TYPE varchar(30)')
    await until('the right answer', NEWS_MS, async () => {
      const { results } = await b.extended(sql, ['7'], 'text')
      return results[0]?.rows[0]?.[0] === 'v7' && results[0].fields?.[0]?.typeOid === 1043
    })
  })

  await t.test('a table made local again, and a dropped one', async (t) => {
    await a.run(`SELECT undistribute_table('t')`)
    await untilRight(t, b, 'SELECT count(*) FROM t', '101')
    await a.run('DROP TABLE t')
    const { error } = await b.simple('SELECT count(*) FROM t')
    t.equal(error?.sqlState, '42P01', 'is gone')
  })
})

/** An error is bearable while the news travels, a wrong answer never is. */
async function untilRight(t: Test, client: RawClient, sql: string, right: string): Promise<void> {
  const wrong: unknown[] = []
  await until(`${sql} gives ${right}`, NEWS_MS, async () => {
    const { results, error } = await client.simple(sql)
    const value = results[0]?.rows[0]?.[0]
    if (error === undefined && value !== right) wrong.push(value)
    return error === undefined && value === right
  })
  t.same(wrong, [], `${sql} gave nothing wrong meanwhile`)
}
