import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { DevCluster, PgloomProcess } from '../support/pgloom-process.ts'

async function rowsOf(url: string, sql: string): Promise<readonly unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}

function portOf(cluster: DevCluster, node: string): number {
  const file = join(cluster.data, 'cluster/nodes', node, 'pgloom.conf')
  return Number(/^port = (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1])
}

t.test('pgloom dev', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  await rowsOf(cluster.url, 'CREATE TABLE kept (id int PRIMARY KEY)')
  await rowsOf(cluster.url, `SELECT create_distributed_table('kept', 'id')`)
  await rowsOf(cluster.url, 'INSERT INTO kept SELECT generate_series(1, 1000)')

  t.test('says one line on its standard output, and ends with 0', async (t) => {
    t.match(cluster.process.stdout, /^pgloom is ready at postgres:\/\/app@127\.0\.0\.1:\d+\/app\n$/)
    t.equal(await cluster.process.stop(), 0)
    t.same(cluster.serverProcesses(), [])
  })

  t.test('finds its servers again when their ports were taken meanwhile', async (t) => {
    for (const node of ['coordinator', 'worker-1']) {
      const squatter = createServer().listen(portOf(cluster, node), '127.0.0.1')
      await once(squatter, 'listening')
      t.teardown(() => squatter.close())
    }
    await cluster.restart()
    t.same(await rowsOf(cluster.url, 'SELECT count(*)::int FROM kept'), [[1000]])
  })

  t.test('adds workers to a cluster that has tables', async (t) => {
    await cluster.process.stop()
    const args = ['dev', '--port', '0', '--http-port', '0', '--workers', '2']
    const grown = await PgloomProcess.start({
      args: [...args, '--data', join(cluster.data, 'cluster')],
    })
    t.teardown(() => grown.stop().then(() => undefined))
    t.equal((await rowsOf(grown.url, 'SELECT citus_get_active_worker_nodes()')).length, 2)
    t.same(await rowsOf(grown.url, 'SELECT count(*)::int FROM kept'), [[1000]])
  })
})
