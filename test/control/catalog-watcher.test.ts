import pg from 'pg'
import t from 'tap'
import { Log } from '../../lib/base/log.ts'
import { tableKey } from '../../lib/catalog/catalog.ts'
import { CatalogWatcher } from '../../lib/control/catalog-watcher.ts'
import { installMetadata, registerCoordinator } from '../../lib/control/metadata-schema.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

t.test('CatalogWatcher', async (t) => {
  const url = new URL(await stockPostgres(t))
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  t.teardown(() => client.end())
  const address = { host: url.hostname, port: Number(url.port) }
  const watcher = new CatalogWatcher({
    database: url.pathname.slice(1),
    coordinator: address,
    connection: { user: url.username },
    log: new Log('error'),
    pollIntervalMs: 20,
  })
  t.teardown(() => watcher.stop())

  t.test('finds everything local before the schema is installed', async (t) => {
    const catalog = await watcher.start()
    t.match(catalog, { isInstalled: false, nodes: [{ groupId: 0, ...address }] })
  })

  t.test('sees tables, shards and their OIDs', async (t) => {
    await installMetadata(client)
    await registerCoordinator(client, { host: 'elsewhere', port: 1 }, true)
    await client.query(`
      CREATE TABLE events (a text COLLATE "C", tenant_id int NOT NULL, b numeric(5,2) DEFAULT 1, PRIMARY KEY (tenant_id, a));
      CREATE SCHEMA other; CREATE VIEW other.events AS SELECT 1;
      CREATE SCHEMA pgloom_1; CREATE TABLE pgloom_1.events (LIKE events);
      SELECT pgloom.register_distributed_table('events', 'tenant_id', NULL, 2, false)`)
    const catalog = await watcher.refresh()
    const table = catalog.tables.get(tableKey('public', 'events'))
    t.match(table, {
      kind: 'distributed',
      primaryKey: ['tenant_id', 'a'],
      distributionColumn: { name: 'tenant_id', typeOid: 23, isNotNull: true },
      columns: [
        { collation: 'pg_catalog."C"' },
        {},
        { typeName: 'numeric(5,2)', hasDefault: true },
      ],
      shards: [
        { shardId: 102008, schema: 'pgloom_1', minHash: -2147483648, maxHash: -1 },
        { shardId: 102009, schema: 'pgloom_2', minHash: 0, maxHash: 2147483647 },
      ],
    })
    t.match(catalog.nodes, [address], 'the configured address wins')
    t.ok(catalog.shadowingRelations.has(tableKey('other', 'events')))
    t.same([...catalog.shellOids.values()], [table?.oid])
    t.ok(Object.isFrozen(table))
  })

  t.test('keeps the snapshot while nothing changes', async (t) => {
    const catalog = watcher.current()
    t.equal(await watcher.refresh(), catalog)
  })

  t.test('learns of changes made elsewhere', async (t) => {
    const before = watcher.current()
    await client.query("SELECT pgloom.unregister_table('events')")
    const deadline = Date.now() + 60_000
    while (watcher.current() === before && Date.now() < deadline) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.equal(watcher.current().tables.size, 0)
    t.ok(watcher.current().version > before.version)
  })

  t.test('reconnects', async (t) => {
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgloom catalog' AND datname = current_database()",
    )
    await client.query('SELECT pgloom.bump_catalog_version()')
    const before = watcher.current().version
    t.ok((await watcher.refresh()).version >= before)
  })
})
