import t from 'tap'
import { CATALOG_LENS_SQL } from '../../lib/control/catalog-lens-sql.ts'
import { isSystemColumn, lensOf } from '../../lib/planner/catalog-lens.ts'

t.test('names that have a lens', async (t) => {
  t.equal(lensOf(undefined, 'pg_class'), 'pgloom_catalog.pg_class')
  t.equal(lensOf('pg_catalog', 'pg_class'), 'pgloom_catalog.pg_class')
  t.equal(lensOf('information_schema', 'tables'), 'pgloom_catalog.tables')
  t.equal(lensOf(undefined, 'tables'), undefined)
  t.equal(lensOf('public', 'pg_class'), undefined)
  t.ok(isSystemColumn('tableoid'))
})

t.test('every view that is made has a name there, and the other way round', async (t) => {
  const made = [...CATALOG_LENS_SQL.matchAll(/\('(pg_catalog|information_schema)', '(\w+)'/g)]
  t.equal(made.length, 27)
  for (const [, schema, name = ''] of made) {
    t.equal(lensOf(schema, name, true), `pgloom_catalog.${name}`)
  }
  t.equal(lensOf('pg_catalog', 'pg_proc'), undefined, 'a function only')
  t.match(CATALOG_LENS_SQL, 'CREATE VIEW pgloom_catalog.pg_tables')
})
