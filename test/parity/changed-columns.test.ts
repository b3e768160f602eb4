import { serialize } from 'pg-protocol'
import t from 'tap'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

/** By then it is prepared on some server connection. */
const RUNS = 7
const INT4 = 23

const STATEMENTS = {
  one: 'SELECT * FROM changing WHERE k = $1',
  all: 'SELECT v, k FROM changing WHERE v = $1',
  most: 'SELECT max(v) FROM changing WHERE w > $1',
  local: 'SELECT v FROM here WHERE v = $1',
}
const CHANGES = [
  'ALTER TABLE @ ALTER v TYPE bigint',
  'ALTER TABLE @ ALTER v TYPE numeric(8, 2)',
  'ALTER TABLE @ ADD x int',
]

/** Each statement after each change. */
const CASES = CHANGES.flatMap((change) =>
  Object.entries(STATEMENTS).map(([name, text]) => {
    const table = name === 'local' ? 'here' : 'changing'
    const revert = `ALTER TABLE ${table} DROP COLUMN IF EXISTS x, ALTER v TYPE int`
    return { name, text, change: change.replace('@', table), revert }
  }),
)

type Told = 'told once' | 'told each time'

async function prepare(client: RawClient, name: string, text: string, told: Told): Promise<void> {
  await client.run('DEALLOCATE ALL')
  const frames = [serialize.parse({ name, text }), serialize.describe({ type: 'S', name })]
  await client.exchange(frames, 'text')
  for (let run = 0; run < RUNS; run++) await execute(client, name, told)
}

function execute(client: RawClient, statement: string, told: Told): Promise<Answer> {
  const describe = told === 'told once' ? [] : [serialize.describe({ type: 'P', name: '' })]
  const frames = [
    serialize.bind({ statement, values: ['5'] }),
    ...describe,
    serialize.execute({ portal: '' }),
  ]
  return client.exchange(frames, 'text')
}

t.test('what a client has prepared, and its columns change', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  const both = async (sql: string) => {
    await pair.stock.run(sql)
    await pair.proxy.run(sql)
  }
  for (const table of ['changing', 'here']) {
    await both(`CREATE TABLE ${table} (k int PRIMARY KEY, v int, w int)`)
    await both(`INSERT INTO ${table} SELECT g, g, g FROM generate_series(1, 50) g`)
  }
  await pair.proxy.run("SELECT create_distributed_table('changing', 'k')")

  t.test('is told as by Postgres to who relies on them', async (t) => {
    for (const { name, text, change, revert } of CASES) {
      await prepare(pair.stock, name, text, 'told once')
      await prepare(pair.proxy, name, text, 'told once')
      await both(change)
      for (let run = 0; run < 2; run++) {
        const wanted = await execute(pair.stock, name, 'told once')
        const found = await execute(pair.proxy, name, 'told once')
        t.same(found.error?.sqlState, wanted.error?.sqlState, `${name}: ${change}`)
      }
      await both(revert)
    }
  })

  t.test('gives what the new columns are to who asks with each run', async (t) => {
    for (const { name, text, change, revert } of CASES) {
      await prepare(pair.proxy, name, text, 'told each time')
      await both(change)
      // parameters stay of the type that they were found to have
      const wanted = await pair.stock.extended(text, ['5'], 'text', [INT4])
      for (let run = 0; run < 2; run++) {
        const found = await execute(pair.proxy, name, 'told each time')
        t.same(found, wanted, `${name}: ${change}`)
      }
      await both(revert)
    }
  })

  t.test('is told, too, if the table was gone meanwhile', async (t) => {
    const create = async (columns: string) => {
      await both(`CREATE TABLE gone (k int PRIMARY KEY, ${columns})`)
      await pair.proxy.run("SELECT create_distributed_table('gone', 'k')")
      await both('INSERT INTO gone (k, w) SELECT g, g FROM generate_series(1, 9) g')
    }
    await create('w int')
    for (const client of [pair.stock, pair.proxy]) {
      await prepare(client, 'gone', 'SELECT * FROM gone WHERE w = $1', 'told once')
    }
    const same = async () => {
      const wanted = await execute(pair.stock, 'gone', 'told once')
      const found = await execute(pair.proxy, 'gone', 'told once')
      t.same(found.error?.sqlState, wanted.error?.sqlState)
    }
    await both('DROP TABLE gone')
    await same()
    await create('x date, w int')
    await same()
    await same()
  })

  t.test('of a Query with literals is as they are when it runs', async (t) => {
    const texts = [
      'SELECT * FROM changing WHERE v = @',
      'SELECT v, w FROM changing WHERE v = @ LIMIT 3',
      'SELECT max(v), count(*) FROM changing WHERE v = @',
    ]
    const [other, watcher] = [
      await RawClient.connect(pair.proxyUrl),
      await RawClient.connect(pair.proxyUrl),
    ]
    for (const [number, text] of texts.entries()) {
      for (let run = 0; run < 3 * RUNS; run++) await pair.proxy.run(text.replace('@', `${run}`))
      await other.run(`BEGIN; ALTER TABLE changing ADD y${number} int, ALTER v TYPE numeric`)
      const found = pair.proxy.simple(text.replace('@', '5'))
      await until('the Query waits', 60_000, async () => {
        const waiting = await watcher.value(
          "SELECT count(*) FROM citus_stat_activity WHERE wait_event_type = 'Lock'",
        )
        return waiting !== '0'
      })
      await other.run('COMMIT')
      await pair.stock.run(`ALTER TABLE changing ADD y${number} int, ALTER v TYPE numeric`)
      t.same(await found, await pair.stock.simple(text.replace('@', '5')), text)
      await both('ALTER TABLE changing ALTER v TYPE int')
    }
    other.close()
    watcher.close()
  })
})
