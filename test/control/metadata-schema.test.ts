import pg from 'pg'
import t from 'tap'
import {
  installMetadata,
  registerCoordinator,
  registerFirstWorker,
} from '../../lib/control/metadata-schema.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

t.test('installMetadata', async (t) => {
  const url = await stockPostgres(t)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())

  t.test('may be run by two proxies at once, and again', async (t) => {
    const other = new pg.Client({ connectionString: url })
    await other.connect()
    t.teardown(() => other.end())
    await Promise.all([installMetadata(client), installMetadata(other)])
    await installMetadata(client)
    await registerCoordinator(client, { host: '127.0.0.1', port: 5432 }, true)
    await registerFirstWorker(client, client, { host: '127.0.0.1', port: 5433 })
    const { rows } = await client.query('SELECT role, active FROM pgloom.citus_nodes ORDER BY role')
    t.same(rows, [
      { role: 'coordinator', active: true },
      { role: 'worker', active: true },
    ])
  })

  t.test('decides once', async (t) => {
    const decide = async (decision: string) =>
      (await client.query('SELECT pgloom.decide($1, $2) AS it', ['tx', decision])).rows[0]?.it
    t.equal(await decide('abort'), 'abort')
    t.equal(await decide('commit'), 'abort')
  })

  t.test('what is decided outlives a crash, whatever the client would risk', async (t) => {
    await client.query('BEGIN; SET LOCAL synchronous_commit = off')
    await client.query(`SELECT pgloom.decide('durable', 'commit')`)
    const { rows } = await client.query(`SELECT current_setting('synchronous_commit') AS it`)
    await client.query('ROLLBACK')
    t.same(rows, [{ it: 'on' }])
  })

  t.test('places shards round robin and colocates tables of one shape', async (t) => {
    await client.query(`CREATE TABLE events (tenant_id int, x int); CREATE TABLE users (tenant_id int);
      SELECT pgloom.register_distributed_table('events', 'tenant_id', NULL, 4, false);
      SELECT pgloom.register_distributed_table('users', 'tenant_id', NULL, 4, false)`)
    const { rows } = await client.query({
      text: `SELECT table_name::text, shardid::int, shard_name, nodeport FROM pgloom.citus_shards ORDER BY shardid`,
      rowMode: 'array',
    })
    t.same(rows, [
      ['events', 102008, 'pgloom_1.events', 5432],
      ['events', 102009, 'pgloom_2.events', 5433],
      ['events', 102010, 'pgloom_3.events', 5432],
      ['events', 102011, 'pgloom_4.events', 5433],
      ['users', 102012, 'pgloom_1.users', 5432],
      ['users', 102013, 'pgloom_2.users', 5433],
      ['users', 102014, 'pgloom_3.users', 5432],
      ['users', 102015, 'pgloom_4.users', 5433],
    ])
    const tables = await client.query(
      'SELECT * FROM pgloom.citus_tables WHERE table_name::text = $1',
      ['events'],
    )
    t.match(tables.rows, [
      { citus_table_type: 'distributed', distribution_column: 'tenant_id', shard_count: '4' },
    ])
  })

  t.test('finds the shard of a value in SQL', async (t) => {
    const { rows } = await client.query({
      text: `SELECT pgloom.get_shard_id_for_distribution_column('events', 5)::int,
        pgloom.get_shard_id_for_distribution_column('events', '5')::int, pgloom.worker_hash(5), pgloom.worker_hash('a')`,
      rowMode: 'array',
    })
    t.same(rows[0], [102008, 102008, -1330264708, 1075015857])
  })

  t.test('lets only the owner change a table', async (t) => {
    const role = `pgloom_test_${process.pid}`
    await client.query(`CREATE ROLE ${role}; GRANT ${role} TO CURRENT_USER`)
    t.teardown(() => client.query(`RESET ROLE; DROP ROLE ${role}`))
    await client.query(`SET ROLE ${role}`)
    await t.rejects(client.query("SELECT pgloom.unregister_table('users')"), { code: '42501' })
    await t.rejects(client.query("SELECT pgloom.remove_node('127.0.0.1', 5433)"), { code: '42501' })
    await t.rejects(client.query('DELETE FROM pgloom.pg_dist_partition'), { code: '42501' })
    await client.query('RESET ROLE')
    await t.rejects(client.query("SELECT pgloom.remove_node('127.0.0.1', 5433)"), { code: '55000' })
  })
})
