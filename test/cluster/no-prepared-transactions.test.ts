import pg from 'pg'
import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

t.test('a node that may prepare no transactions', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const setup = await RawClient.connect(cluster.url)
  await setup.run(`CREATE TABLE events (k int); SELECT create_distributed_table('events', 'k');
    INSERT INTO events SELECT generate_series(1, 20)`)
  const { results } = await setup.run(
    "SELECT nodename, nodeport FROM citus_nodes WHERE role = 'worker'",
  )
  setup.close()
  const [host, port] = results[0]?.rows.at(-1) ?? []
  const node = new pg.Client({
    host: host ?? '',
    port: Number(port),
    user: 'postgres',
    database: 'app',
  })
  await node.connect()
  await node.query('ALTER SYSTEM SET max_prepared_transactions = 0')
  await node.end()
  t.comment('the setting takes a restart')
  const before = await cluster.restart().then(() => RawClient.connect(cluster.url))
  t.teardown(() => before.close())
  const shown = await before.value(
    `SELECT string_agg(result, ',' ORDER BY result) FROM run_command_on_all_nodes('SHOW max_prepared_transactions')`,
  )
  if (!shown?.split(',').includes('0')) {
    t.fail(`not in force: ${shown}`)
    return
  }
  const { error } = await before.simple('DELETE FROM events')
  t.equal(error?.sqlState, '55000')
  t.match(error?.message, /prepared transactions are disabled/)
  t.equal(await before.value('SELECT count(*) FROM events'), '20', 'nothing was changed')
  await before.run('DELETE FROM events WHERE k = 1')
  t.equal(await before.value('SELECT count(*) FROM events'), '19', 'one node alone needs none')
})
