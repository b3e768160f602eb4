import type pg from 'pg'
import t from 'tap'
import { addressOf, columnOf, commandCluster } from '../support/command-cluster.ts'
import { testCluster } from '../support/postgres-cluster.ts'

t.setTimeout(600_000)

const withState = (sqlState: string) => ({ message: /./, sqlState })

t.test('ControlCommands', async (t) => {
  const { nodes } = await testCluster(t)
  const { clients, context, commands, call, ddl, tableNamed } = await commandCluster(t, nodes)
  const [coordinator, first, second] = clients as [pg.Client, pg.Client, pg.Client]

  t.test('create_distributed_table moves rows, guards the shell and colocates', async (t) => {
    await coordinator.query(`
      CREATE TABLE tenants (tenant_id int PRIMARY KEY, name text UNIQUE DEFERRABLE);
      ALTER TABLE tenants DROP CONSTRAINT tenants_name_key;
      CREATE TABLE events (tenant_id int REFERENCES tenants, id bigserial, n serial, i bigint GENERATED ALWAYS AS IDENTITY,
        body jsonb, at timestamp DEFAULT now(), twice int GENERATED ALWAYS AS (tenant_id * 2) STORED,
        CONSTRAINT positive CHECK (tenant_id >= 0), PRIMARY KEY (tenant_id, id));
      CREATE INDEX events_at ON events (at DESC) WHERE tenant_id > 3;
      INSERT INTO tenants SELECT g, 'tenant ' || g FROM generate_series(1, 100) g`)
    await call('create_distributed_table', "'tenants'", "'tenant_id'", ['shard_count', '4'])
    t.same(context.notices, ['Copying data from local table...', 'copying the data has completed'])
    await call('create_distributed_table', "'events'", "'tenant_id'", [
      'colocate_with',
      "'tenants'",
    ])
    const tenants = tableNamed('tenants')
    const events = tableNamed('events')
    t.equal(tenants.colocationId, events.colocationId)
    t.match(tenants, { shards: [{ schema: 'pgloom_1', nodeId: 2 }, {}, {}, {}] })
    const counts = await Promise.all(
      [1, 2, 3, 4].map((n) => columnOf(first, `SELECT count(*)::int FROM pgloom_${n}.tenants`)),
    )
    t.equal(
      counts.flat().reduce((sum, count) => Number(sum) + Number(count), 0),
      100,
    )
    for (const client of [coordinator, first]) {
      await t.rejects(client.query('SELECT * FROM tenants WHERE false'), { code: '0A000' })
      await t.rejects(client.query('INSERT INTO events DEFAULT VALUES'), { code: '0A000' })
      await t.rejects(client.query('TRUNCATE events'), { code: '0A000' })
    }
    const [key] = await columnOf(
      first,
      "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'pgloom_2.events'::regclass AND contype = 'f'",
    )
    t.equal(key, 'FOREIGN KEY (tenant_id) REFERENCES pgloom_2.tenants(tenant_id)')
    const shardOf1 =
      'INSERT INTO pgloom_1.events (tenant_id) SELECT min(tenant_id) FROM pgloom_1.tenants RETURNING'
    t.ok(Number((await columnOf(first, `${shardOf1} id`))[0]) > 2 ** 48)
    t.equal(Number((await columnOf(first, `${shardOf1} n`))[0]) % 32, 1)
  })

  t.test('create_distributed_table refuses as Citus does, and changes nothing', async (t) => {
    await coordinator.query(`
      CREATE TABLE a (x int UNIQUE, y int);
      CREATE TABLE b (x int, r a); CREATE TABLE c (x int REFERENCES a (x));
      CREATE TABLE d (x point); CREATE TABLE e (x int NULL); INSERT INTO e VALUES (NULL)`)
    const before = await columnOf(coordinator, 'SELECT count(*)::int FROM pgloom.pg_dist_shard')
    const refuses = async (sqlState: string, table: string, column: string) =>
      t.rejects(
        call('create_distributed_table', `'${table}'`, `'${column}'`),
        withState(sqlState),
        table,
      )
    await refuses('42P16', 'tenants', 'tenant_id')
    await refuses('42703', 'a', 'nope')
    await refuses('0A000', 'a', 'y')
    await refuses('0A000', 'b', 'x')
    await refuses('0A000', 'c', 'x')
    await refuses('0A000', 'd', 'x')
    await refuses('22004', 'e', 'x')
    await refuses('42P01', 'missing', 'x')
    await t.rejects(call('create_distributed_table', "'a'"), withState('42883'))
    await t.rejects(call('citus_rebalance_start'), withState('0A000'))
    const after = await columnOf(coordinator, 'SELECT count(*)::int FROM pgloom.pg_dist_shard')
    t.same(after, before)
  })

  t.test('create_reference_table copies rows to every node and guards them', async (t) => {
    await coordinator.query(`CREATE TABLE countries (code text PRIMARY KEY, name text);
      INSERT INTO countries VALUES ('nl', 'Netherlands'), ('de', 'Germany')`)
    await call('create_reference_table', "'countries'")
    t.same(await columnOf(first, 'SELECT code FROM countries ORDER BY 1'), ['de', 'nl'])
    for (const client of [coordinator, first]) {
      await t.rejects(client.query('DELETE FROM countries'), { code: '0A000' })
    }
  })

  t.test('DDL reaches shells and shards alike', async (t) => {
    t.equal(await ddl('CREATE INDEX', 'CREATE INDEX ON @events (tenant_id, at)'), 'CREATE INDEX')
    await ddl('ALTER TABLE', "ALTER TABLE @events ADD COLUMN country text DEFAULT 'nl'")
    await ddl(
      'ALTER TABLE',
      'ALTER TABLE @events ADD CONSTRAINT events_country FOREIGN KEY (country) REFERENCES @countries (code)',
    )
    const shape = `SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'events' AND schemaname = `
    const [indexes] = await columnOf(coordinator, `${shape} 'public'`)
    t.equal(indexes, 'events_at,events_pkey,events_tenant_id_at_idx')
    t.same(await columnOf(first, `${shape} 'public'`), [indexes])
    t.same(await columnOf(first, `${shape} 'pgloom_3'`), [indexes])
    t.same(await columnOf(first, 'SELECT DISTINCT country FROM pgloom_1.events'), ['nl'])
    await ddl('DROP INDEX', 'DROP INDEX events_at', [], [{ schema: undefined, name: 'events_at' }])
    t.same(await columnOf(first, `${shape} 'pgloom_3'`), ['events_pkey,events_tenant_id_at_idx'])
    await ddl('ALTER TABLE', 'ALTER TABLE @events DROP COLUMN n')
    await ddl('ALTER TABLE', 'ALTER TABLE @events RENAME COLUMN tenant_id TO tenant')
    t.match(tableNamed('events'), { distributionColumn: { name: 'tenant' } })
    await t.rejects(coordinator.query('SELECT 1 FROM events'), { code: '0A000' })
    await t.rejects(first.query('SELECT 1 FROM events'), { code: '0A000' })
  })

  t.test('DDL that breaks a rule is refused and leaves nothing', async (t) => {
    const refuses = (text: string, sqlState = '0A000') =>
      t.rejects(ddl('ALTER TABLE', `ALTER TABLE @tenants ${text}`), withState(sqlState), text)
    await refuses('ADD UNIQUE (name)')
    await refuses('DROP COLUMN tenant_id', '2BP01')
    await refuses('DROP COLUMN tenant_id CASCADE')
    await refuses('ALTER tenant_id TYPE bigint')
    await refuses('ADD COLUMN s serial')
    await refuses('DISABLE ROW LEVEL SECURITY')
    await refuses('DISABLE TRIGGER ALL', '42501')
    await refuses('DISABLE TRIGGER USER')
    await refuses('RENAME TO other')
    await refuses('ADD COLUMN name int', '42701')
    await t.rejects(
      ddl('CREATE INDEX', 'CREATE UNIQUE INDEX u ON @tenants (name)'),
      withState('0A000'),
    )
    t.same(await columnOf(first, "SELECT count(*)::int FROM pg_class WHERE relname = 'u'"), [0])
  })

  t.test('TRUNCATE, GRANT, ANALYZE and sizes', async (t) => {
    await commands.refreshSizes(context)
    const sizes = await columnOf(coordinator, 'SELECT shard_size::int FROM pgloom.citus_shards')
    t.ok(sizes.every((size) => Number(size) > 0))
    await ddl('GRANT', 'GRANT SELECT ON @events TO PUBLIC')
    await ddl('ANALYZE', 'ANALYZE @events')
    await ddl('TRUNCATE TABLE', 'TRUNCATE @events, @tenants')
    t.same(await columnOf(first, 'SELECT count(*)::int FROM pgloom_1.tenants'), [0])
  })

  t.test('run_command_on_… answer a row a node or shard', async (t) => {
    const workers = await call('run_command_on_workers', "'SELECT 1'")
    t.match(workers.rows, [[first.host, String(first.port), 't', '1']])
    const shards = await call('run_command_on_shards', "'tenants'", "'SELECT count(*) FROM %s'")
    t.same(
      shards.rows.map(([, ok, result]) => [ok, result]),
      Array(4).fill(['t', '0']),
    )
    const failed = await call('run_command_on_coordinator', "'SELECT nope'")
    t.match(failed.rows, [['1', 'f', 'ERROR: column "nope" does not exist']])
  })

  t.test('citus_add_node brings shells and reference tables along', async (t) => {
    const { host, port } = addressOf(second)
    const result = await call('citus_add_node', `'${host}'`, String(port))
    t.same(result.rows, [['3']])
    t.same(await columnOf(second, 'SELECT code FROM countries ORDER BY 1'), ['de', 'nl'])
    await t.rejects(second.query('SELECT 1 FROM events'), { code: '0A000' })
    await t.rejects(second.query('DELETE FROM countries'), { code: '0A000' })
    t.same((await call('citus_add_node', `'${host}'`, String(port))).rows, [['3']])
    const staleWrite = 'BEGIN; SET LOCAL pgloom.reference_write = 2; DELETE FROM countries'
    await t.rejects(coordinator.query(staleWrite), { code: '40001' }, 'the writer knew two nodes')
    await coordinator.query('ROLLBACK')
    await call('citus_remove_node', `'${host}'`, String(port))
    await coordinator.query(`${staleWrite}; ROLLBACK`)
    await t.rejects(
      call('citus_remove_node', `'${first.host}'`, String(first.port)),
      withState('55000'),
    )
  })

  t.test('undistribute_table and DROP TABLE leave no trace', async (t) => {
    await ddl('DROP TABLE', 'DROP TABLE events', ['events'])
    await first.query("INSERT INTO pgloom_1.tenants VALUES (1, 'one')")
    await call('undistribute_table', "'tenants'")
    t.same(await columnOf(coordinator, 'SELECT name FROM tenants'), ['one'])
    await call('undistribute_table', "'countries'")
    await coordinator.query("DELETE FROM countries WHERE code = 'de'")
    t.equal(context.catalog.tables.size, 0)
    t.same(
      await columnOf(
        first,
        "SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname ~ '^pgloom_' OR nspname = 'public'",
      ),
      [0],
    )
    t.same(
      await columnOf(
        first,
        "SELECT count(*)::int FROM pg_namespace WHERE nspname ~ '^pgloom_[0-9]'",
      ),
      [0],
    )
  })
})

t.test('ControlCommands on one node', async (t) => {
  const { nodes } = await testCluster(t, 0)
  const { clients, call, ddl, tableNamed } = await commandCluster(t, nodes)
  const [coordinator] = clients as [pg.Client]

  t.test('shards live beside their shells', async (t) => {
    await coordinator.query(`CREATE TABLE events (tenant int, id bigserial, n serial, PRIMARY KEY (tenant, id));
      INSERT INTO events SELECT g % 7 FROM generate_series(1, 70) g`)
    await call('create_distributed_table', "'events'", "'tenant'")
    t.equal(tableNamed('events').columns.length, 3)
    await t.rejects(coordinator.query('SELECT 1 FROM events'), { code: '0A000' })
    t.same(
      await columnOf(coordinator, 'INSERT INTO pgloom_1.events VALUES (0) RETURNING n'),
      [71],
      'sequences are left as they are while there is one node',
    )
  })

  t.test('columns and tables with sequences can be dropped', async (t) => {
    await ddl('ALTER TABLE', 'ALTER TABLE @events DROP COLUMN n')
    await call('undistribute_table', "'events'")
    t.same(await columnOf(coordinator, 'SELECT count(*)::int FROM events'), [71])
    await call('create_distributed_table', "'events'", "'tenant'", ['colocate_with', "'none'"])
    t.equal(await ddl('DROP TABLE', 'DROP TABLE events', ['events']), 'DROP TABLE')
    const leftovers = "SELECT count(*)::int FROM pg_namespace WHERE nspname ~ '^pgloom_[0-9]'"
    t.same(await columnOf(coordinator, leftovers), [0])
  })
})
