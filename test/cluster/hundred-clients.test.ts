import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { nodeUrls, valueOn } from '../support/node-urls.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { secondsFromEnv } from '../support/project.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { BusyClient } from './busy-client.ts'

const CLIENTS = 100
const SECONDS = secondsFromEnv('PGLOOM_TEST_LOAD_SECONDS', 10)
const MAX_GROWTH_BYTES = 20 * 1024 * 1024
const SAMPLE_MS = 250
/** pool.default_pool_size for one user and database, and the few that a proxy itself holds. */
const MAX_SERVER_CONNECTIONS = 20 + 5
const SETTLE_MS = 60_000

const OPEN_WORK = `SELECT count(*) FROM pg_stat_activity
  WHERE datname = 'app' AND usename = 'app' AND (state <> 'idle' OR xact_start IS NOT NULL) AND pid <> pg_backend_pid()`
const CONNECTIONS = `SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND usename = 'app'`

t.setTimeout((SECONDS + 600) * 1000)

t.test(`${CLIENTS} clients for ${SECONDS} s`, async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const nodes = await nodeUrls(cluster.url)
  const setup = await RawClient.connect(cluster.url)
  await BusyClient.createTables(setup, CLIENTS)

  const clients = Array.from({ length: CLIENTS }, (_, index) => new BusyClient(cluster.url, index))
  const deadline = Date.now() + SECONDS * 1000
  const running = Promise.all(clients.map((client) => client.run(deadline)))
  const samples = await sampleMemory(`${cluster.process.httpUrl}/metrics`, deadline)
  await running

  const problems = clients.flatMap((client) => client.problems)
  t.same(problems.slice(0, 10), [], `${problems.length} wrong answers`)
  const statements = clients.reduce((sum, client) => sum + client.statements, 0)
  t.comment(`${statements} statements, ${Math.round(statements / SECONDS)} a second`)
  t.ok(statements > CLIENTS, 'there was load')
  const counted = clients.reduce((sum, client) => sum + client.increments, 0)
  const stored = Number(await setup.value('SELECT sum(n) FROM counters'))
  t.equal(stored, counted, 'every acknowledged change is there once')

  // What the collector leaves: between its runs memory swings by tens of MiB, so each span counts by its lowest point.
  const before = Math.min(...samples.slice(samples.length / 4, samples.length / 2))
  const after = Math.min(...samples.slice((samples.length * 3) / 4))
  t.comment(`lowest memory in use in MiB, by tenths: ${tenths(samples).map(toMiB).join(' ')}`)
  t.ok(after - before < MAX_GROWTH_BYTES, 'memory is flat')

  for (const node of nodes) {
    await until('no server connection is left with open work', SETTLE_MS, async () => {
      return (await valueOn(node, OPEN_WORK)) === '0'
    })
    const count = Number(await valueOn(node, CONNECTIONS))
    t.ok(
      count <= MAX_SERVER_CONNECTIONS,
      `${count} server connections are within the pool's bounds`,
    )
  }
  t.equal(await setup.value('SELECT 1'), '1', 'the proxy still serves')
  setup.close()
})

async function sampleMemory(metricsUrl: string, deadline: number): Promise<number[]> {
  const samples: number[] = []
  while (Date.now() < deadline) {
    await delay(SAMPLE_MS)
    samples.push(bytesInUse(await (await fetch(metricsUrl)).text()))
  }
  return samples
}

/** JavaScript's heap and the buffers outside it. */
function bytesInUse(metrics: string): number {
  const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)?.[1])
  return value('nodejs_heap_size_used_bytes') + value('nodejs_external_memory_bytes')
}

function tenths(samples: readonly number[]): number[] {
  const size = samples.length / 10
  return Array.from({ length: 10 }, (_, at) =>
    Math.min(...samples.slice(at * size, (at + 1) * size)),
  )
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
