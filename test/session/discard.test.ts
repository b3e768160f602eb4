import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

t.test('DISCARD in and out of transactions', async (t) => {
  const cluster = await DevCluster.start(t, 1)
  const client = await RawClient.connect(cluster.url)
  t.teardown(() => client.close())
  await client.run(`CREATE TABLE events (k int); SELECT create_distributed_table('events', 'k');
    INSERT INTO events VALUES (1)`)
  const count = () => client.value('SELECT count(*) FROM events')

  t.test(
    'a temporary table whose DISCARD is rolled back still hides the distributed one',
    async (t) => {
      await client.run('CREATE TEMP TABLE events (k int)')
      t.equal(await count(), '0')
      await client.run('BEGIN; DISCARD TEMP; ROLLBACK')
      t.equal(await count(), '0')
      await client.run('DISCARD TEMP')
      t.equal(await count(), '1')
    },
  )

  t.test('DISCARD ALL', async (t) => {
    await client.run('CREATE TEMP TABLE events (k int)')
    await client.run('BEGIN')
    t.equal((await client.simple('DISCARD ALL')).error?.sqlState, '25001')
    await client.run('ROLLBACK')
    t.equal(await count(), '0')
    t.equal((await client.run('DISCARD ALL')).results[0]?.tag, 'DISCARD ALL')
    t.equal(await count(), '1')
  })
})
