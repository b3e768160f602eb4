import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { misplacedRows } from '../scenarios/placement.ts'
import { DevCluster, PgloomProcess } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const ROWS = 1000
const FINGERPRINT = 'SELECT count(*), sum(k), sum(length(v)), min(v), max(v) FROM kept'
const SERVERS_END_MS = 60_000

t.setTimeout(600_000)

t.test('a cluster of one command', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  let client = await RawClient.connect(cluster.url)
  await client.run('CREATE TABLE kept (k bigserial PRIMARY KEY, v text)')
  await client.run(`SELECT create_distributed_table('kept', 'k')`)
  await client.run(`INSERT INTO kept (v) SELECT 'v' || g FROM generate_series(1, ${ROWS}) g`)
  await client.run(`CREATE TABLE ref (k int PRIMARY KEY); SELECT create_reference_table('ref')`)
  await client.run('INSERT INTO ref VALUES (1), (2)')
  const expected = await client.run(FINGERPRINT)

  const sameAsBefore = async (t: Test) => {
    client = await RawClient.connect(cluster.url)
    t.same(await client.run(FINGERPRINT), expected, 'distributed rows are there')
    t.equal(await client.value('SELECT count(*) FROM ref'), '2', 'reference rows are there')
    t.same((await misplacedRows(client)).misplaced, [], 'in their shards')
    await client.run(`INSERT INTO kept (v) VALUES ('new')`)
    const { results } = await client.run(`DELETE FROM kept WHERE v = 'new'`)
    t.equal(results[0]?.tag, 'DELETE 1', 'and it takes new ones')
    client.close()
  }

  await t.test('ends by SIGTERM with 0 and leaves no server behind', async (t) => {
    const pids = cluster.serverProcesses()
    t.equal(pids.length, 3, 'three servers run')
    client.close()
    t.equal(await cluster.process.stop(), 0, 'exit code')
    await until('no server runs', SERVERS_END_MS, async () => !pids.some(isAlive))
  })

  await t.test('keeps its data over a restart', async (t) => {
    await cluster.restart()
    await sameAsBefore(t)
  })

  await t.test('keeps its data over kill -9', async (t) => {
    await cluster.process.kill()
    await cluster.restart()
    await sameAsBefore(t)
  })

  await t.test('says which port is taken', async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    for (const option of ['--port', '--http-port']) {
      const other = option === '--port' ? '--http-port' : '--port'
      const data = join(cluster.data, `taken${option}`)
      const args = ['dev', option, port, other, '0', '--workers', '0', '--data', data]
      const failed = await PgloomProcess.start({ args, expectExit: true })
      t.equal(await failed.closed, 1, `${option}: exit code`)
      t.match(failed.tail(), port, `${option}: the message names the port`)
    }
    server.close()
  })

  await t.test('does not share its data directory', async (t) => {
    const failed = await PgloomProcess.start({ args: cluster.args, expectExit: true })
    t.not(await failed.exited, 0, 'a second process ends')
    await sameAsBefore(t)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
