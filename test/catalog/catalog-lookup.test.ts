import t from 'tap'
import { type Catalog, type ReferenceTable, tableKey } from '../../lib/catalog/catalog.ts'
import { expandSearchPath, resolveTable } from '../../lib/catalog/catalog-lookup.ts'

function table(schema: string, name: string, oid: number): ReferenceTable {
  return {
    kind: 'reference',
    oid,
    schema,
    name,
    columns: [],
    colocationId: 1,
    primaryKey: [],
    hasTriggers: false,
    shardId: oid,
  }
}

const publicEvents = table('public', 'events', 1)
const aliceEvents = table('alice', 'events', 2)
const orders = table('public', 'orders', 3)

const catalog: Catalog = {
  database: 'app',
  version: 1,
  isInstalled: true,
  nodes: [],
  tables: new Map(
    [publicEvents, aliceEvents, orders].map((each) => [tableKey(each.schema, each.name), each]),
  ),
  views: new Map(),
  shadowingRelations: new Set([tableKey('archive', 'orders')]),
  shellOids: new Map(),
}

t.test('resolveTable', async (t) => {
  t.test('takes the first schema of the path that has the name', async (t) => {
    t.equal(resolveTable(catalog, ['alice', 'public'], undefined, 'events'), aliceEvents)
    t.equal(resolveTable(catalog, ['bob', 'public'], undefined, 'events'), publicEvents)
    t.equal(resolveTable(catalog, ['bob'], undefined, 'events'), undefined)
  })

  t.test('stops at a local relation of that name', async (t) => {
    t.equal(resolveTable(catalog, ['archive', 'public'], undefined, 'orders'), undefined)
    t.equal(resolveTable(catalog, ['public', 'archive'], undefined, 'orders'), orders)
  })

  t.test('ignores the path for a qualified name', async (t) => {
    t.equal(resolveTable(catalog, ['archive'], 'public', 'orders'), orders)
    t.equal(resolveTable(catalog, ['public'], 'archive', 'orders'), undefined)
    t.equal(resolveTable(catalog, ['public'], 'pg_temp', 'orders'), undefined)
  })

  t.test('lets temporary tables hide all others unless pg_temp is listed later', async (t) => {
    const temporary = new Set(['orders'])
    t.equal(resolveTable(catalog, ['public'], undefined, 'orders', temporary), undefined)
    t.equal(resolveTable(catalog, ['public', 'pg_temp'], undefined, 'orders', temporary), orders)
    t.equal(resolveTable(catalog, ['public'], 'public', 'orders', temporary), orders)
  })
})

t.test('expandSearchPath reads the setting as Postgres does', async (t) => {
  t.same(expandSearchPath('"$user", public', 'alice'), ['alice', 'public'])
  t.same(expandSearchPath(' Foo ,"Bar ""x"", y" ', 'alice'), ['foo', 'Bar "x", y'])
  t.same(expandSearchPath('', 'alice'), [])
  t.same(expandSearchPath('""', 'alice'), [''])
})
