import t from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

/** A proxy hears of a change by a notification; on a busy machine that takes its time. */
const NEWS_MS = 1000

t.setTimeout(180_000)

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
    await untilRight(b, 'SELECT count(*) FROM t', '100', ['0'])
    t.equal(await b.value('SELECT v FROM t WHERE k = 7'), 'v7')
    await b.run(`INSERT INTO t VALUES (101, 'by the other')`)
    t.equal(await a.value('SELECT v FROM t WHERE k = 101'), 'by the other')
  })

  await t.test('a new column is seen by the other', async () => {
    await a.run(`ALTER TABLE t ADD COLUMN extra int DEFAULT 5`)
    await untilRight(b, 'SELECT sum(extra) FROM t', '505', [])
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
    await untilRight(b, 'SELECT count(*) FROM t', '101', ['0'])
    await a.run('DROP TABLE t')
    const { error } = await b.simple('SELECT count(*) FROM t')
    t.equal(error?.sqlState, '42P01', 'is gone')
  })
})

/** An error is bearable while the news travels, a wrong answer never is. */
async function untilRight(
  client: RawClient,
  sql: string,
  right: string,
  wrong: readonly string[],
): Promise<void> {
  await until(`${sql} gives ${right}`, NEWS_MS, async () => {
    const { results, error } = await client.simple(sql)
    const value = results[0]?.rows[0]?.[0]
    if (value === right) return true
    if (error !== undefined) return false
    throw new Error(`${sql} gave ${value}${wrong.includes(value ?? '') ? ', silently wrong' : ''}`)
  })
}
