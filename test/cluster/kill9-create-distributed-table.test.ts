import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { misplacedRows } from '../scenarios/placement.ts'
import { untilNothingPrepared } from '../support/node-urls.ts'
import type { PgloomProcess } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'

const ROWS = 50_000
/** When the proxy dies, in parts of the time that an undisturbed call took. */
const MOMENTS = [0.1, 0.5, 0.9, 1]
/** Times that the proxy dies as soon as a server has prepared its part, which is where half-done would begin. */
const DURING_COMMIT = 2
/** 10 s on a machine with nothing else to do. */
const RECOVERY_MS = 60_000
const FINGERPRINT = 'count(*), sum(k), sum(length(v)), min(v), max(v)'

t.setTimeout(600_000)

t.test('create_distributed_table survives kill -9 of the proxy', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  let proxy = await cluster.startProxy()
  const undisturbedMs = await timeUndisturbed(proxy)
  t.comment(`an undisturbed call took ${undisturbedMs} ms`)

  for (const [index, moment] of MOMENTS.entries()) {
    await t.test(`killed after ${moment} of that`, async (t) => {
      const table = `t${index}`
      // The moment of the crash is the point of this test: there is no event to wait for.
      const expected = await killDuringCall(proxy, table, () => delay(undisturbedMs * moment))
      proxy = await cluster.startProxy()
      await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
      await checkAfterwards(t, proxy, table, expected)
    })
  }
  for (let round = 0; round < DURING_COMMIT; round++) {
    await t.test(`killed when a part is prepared, ${round}`, async (t) => {
      const table = `c${round}`
      const expected = await killDuringCall(proxy, table, (signal) =>
        somethingPrepared(cluster, round, signal),
      )
      proxy = await cluster.startProxy()
      await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
      await checkAfterwards(t, proxy, table, expected)
    })
  }
})

async function timeUndisturbed(proxy: PgloomProcess): Promise<number> {
  const client = await RawClient.connect(proxy.url)
  await createTable(client, 'undisturbed')
  const started = performance.now()
  await client.run(`SELECT create_distributed_table('undisturbed', 'k')`)
  const took = Math.round(performance.now() - started)
  client.close()
  return took
}

async function createTable(client: RawClient, table: string): Promise<string> {
  await client.run(`CREATE TABLE ${table} (k int PRIMARY KEY, v text, UNIQUE (k, v))`)
  await client.run(
    `INSERT INTO ${table} SELECT g, 'row ' || g || repeat('x', g % 50) FROM generate_series(1, ${ROWS}) g`,
  )
  return await fingerprint(client, table)
}

async function fingerprint(client: RawClient, table: string): Promise<string> {
  const { results } = await client.run(`SELECT ${FINGERPRINT} FROM ${table}`)
  return JSON.stringify(results[0]?.rows)
}

async function killDuringCall(
  proxy: PgloomProcess,
  table: string,
  isTime: (signal: AbortSignal) => Promise<void>,
): Promise<string> {
  const client = await RawClient.connect(proxy.url)
  const expected = await createTable(client, table)
  const call = client
    .simple(`SELECT create_distributed_table('${table}', 'k')`)
    .catch(() => undefined)
  const waiting = new AbortController()
  await Promise.race([isTime(waiting.signal), call])
  waiting.abort()
  await proxy.kill()
  await call
  return expected
}

/** Looks at one server as often as it answers. */
async function somethingPrepared(
  cluster: ServeCluster,
  round: number,
  signal: AbortSignal,
): Promise<void> {
  const url = cluster.nodeUrls[round % cluster.nodeUrls.length] ?? ''
  const node = await RawClient.connect(url)
  while (!signal.aborted) {
    if ((await node.value('SELECT count(*) FROM pg_prepared_xacts')) !== '0') break
  }
  node.close()
}

async function checkAfterwards(
  t: Test,
  proxy: PgloomProcess,
  table: string,
  expected: string,
): Promise<void> {
  const client = await RawClient.connect(proxy.url)
  t.equal(await fingerprint(client, table), expected, 'all rows are there')
  const isDistributed = await client.value(
    `SELECT count(*) = 1 FROM pgloom.pg_dist_partition WHERE logicalrelid = '${table}'::regclass`,
  )
  t.comment(isDistributed === 't' ? 'it was distributed' : 'it stayed local')
  if (isDistributed === 't') {
    const answer = await client.simple(`SELECT create_distributed_table('${table}', 'k')`)
    t.not(answer.error, undefined, 'a retry says that it is distributed already')
  } else {
    await client.run(`SELECT create_distributed_table('${table}', 'k')`)
    t.equal(await fingerprint(client, table), expected, 'a retry distributes it')
  }
  const report = await misplacedRows(client)
  t.same(report.misplaced, [], 'every row is in its shard')
  t.same(report.strays, [], 'nothing half-done is left on the nodes')
  t.equal(report.rows.get(table), ROWS, 'the shards hold all rows')
  await client.run(`DROP TABLE ${table}`)
  client.close()
}
