import { createServer } from 'node:net'
import pg from 'pg'
import t from 'tap'
import { type PostgresMajor, referencePostgres } from '../support/postgres-cluster.ts'

const MAJORS: readonly PostgresMajor[] = [15, 16, 17, 18]

async function ask(port: number, sql: string, user = 'app'): Promise<readonly unknown[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, database: 'app', password: '' })
  await client.connect()
  try {
    const result = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return result.rows.flat()
  } finally {
    await client.end()
  }
}

t.test('an embedded node', async (t) => {
  for (const major of MAJORS) {
    t.test(`of major ${major} serves role app in its database`, async (t) => {
      const node = await referencePostgres(t, major)
      const shown = `SELECT current_setting('server_version_num')::int / 10000, current_setting('wal_level'),
        current_setting('max_prepared_transactions'), current_setting('server_encoding'), current_setting('fsync')`
      t.same(await ask(node.port, shown), [major, 'logical', '200', 'UTF8', 'on'])
      const rights = `SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication,
        has_schema_privilege('public', 'CREATE') FROM pg_roles WHERE rolname = 'app'`
      t.same(await ask(node.port, rights), [false, true, true, true, true])
    })
  }

  t.test('keeps its data and its port over a restart and a crash', async (t) => {
    const node = await referencePostgres(t)
    await ask(node.port, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const { port } = node
    await node.stop()
    t.equal(node.postmasterPid, 0)
    await node.start()
    t.equal(node.port, port)
    await node.kill()
    await node.start()
    t.same(await ask(node.port, 'SELECT answer FROM kept'), [42])
  })

  t.test('takes another port when its own is taken', async (t) => {
    const node = await referencePostgres(t)
    const { port } = node
    await node.stop()
    const squatter = createServer().listen(port, '127.0.0.1')
    t.teardown(() => squatter.close())
    await new Promise((resolve) => squatter.once('listening', resolve))
    await node.start()
    t.not(node.port, port)
    t.same(await ask(node.port, 'SELECT 1'), [1])
  })
})
