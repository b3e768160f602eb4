import t from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
const WORKER = 2

t.setTimeout(600_000)

t.test(
  '1pc, chosen in the configuration, for a node that may prepare no transactions',
  async (t) => {
    const config = 'multi_shard_commit_protocol: 1pc\n'
    const cluster = await ServeCluster.start(t, 2, { config, relayed: true })
    const admin = await RawClient.connect(cluster.nodeUrls[WORKER] ?? '')
    await admin.run('ALTER SYSTEM SET max_prepared_transactions = 0')
    admin.close()
    await cluster.servers[WORKER]?.stop()
    await cluster.servers[WORKER]?.start()
    const proxy = await cluster.startProxy()
    t.match(proxy.log.join('\n'), /"level":"warn"[^\n]*multi_shard_commit_protocol is 1pc/)
    const client = await RawClient.connect(proxy.url)
    t.teardown(() => client.close())
    await client.run(`CREATE TABLE events (k int, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED);
    SELECT create_distributed_table('events', 'k', shard_count => 8);
    INSERT INTO events SELECT generate_series(1, 40)`)
    const count = () => client.value('SELECT count(*) FROM events')
    t.equal(await count(), '40', 'writes over several nodes commit')
    await client.run('BEGIN; DELETE FROM events WHERE k <= 20; COMMIT')
    t.equal(await count(), '20')

    t.test('what can be known before is not half-done', async (t) => {
      await client.run(
        'BEGIN; INSERT INTO events SELECT generate_series(50, 90); INSERT INTO events VALUES (30)',
      )
      const { error } = await client.simple('COMMIT')
      t.equal(error?.sqlState, '23505')
      t.equal(await count(), '20')
    })

    t.test('what fails in between is told', async (t) => {
      let commits = 0
      for (const relay of cluster.relays) {
        relay.watch = ({ text }) => {
          if (!text.startsWith('COMMIT\0')) return undefined
          commits++
          return commits === 2 ? 'request' : undefined
        }
      }
      await client.run('BEGIN; DELETE FROM events')
      const answer = client.simple('COMMIT')
      await until('the second COMMIT is on its way', DEADLINE_MS, async () => commits === 2)
      for (const relay of cluster.relays) {
        relay.watch = undefined
        for (const connection of relay.connections) if (connection.isHeld) connection.cut()
      }
      const { error } = await answer
      t.match(error, {
        sqlState: '08007',
        message: /may have been committed on some of its nodes only/,
      })
      const left = Number(await count())
      t.ok(left > 0 && left < 20, `half-done: ${left} of 20 rows are left`)
      await until('the log tells it', DEADLINE_MS, async () => {
        return proxy.log.some((line) => line.includes('a transaction was left half-committed'))
      })
    })
  },
)
