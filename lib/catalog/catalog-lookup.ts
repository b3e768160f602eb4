import {
  type Catalog,
  type ClusterNode,
  type ClusterTable,
  type ClusterView,
  type MaterializedView,
  tableKey,
} from './catalog.ts'

/**
 * The cluster table that Postgres would find for this name, or undefined: it is local, temporary, a system
 * relation, or unknown. `searchPath` is expanded (see expandSearchPath), without the implicit pg_temp and pg_catalog.
 */
export function resolveTable(
  catalog: Catalog,
  searchPath: readonly string[],
  schema: string | undefined,
  name: string,
  temporaryNames: ReadonlySet<string> | undefined = undefined,
): ClusterTable | undefined {
  if (schema !== undefined) return catalog.tables.get(tableKey(schema, name))
  if (temporaryNames?.has(name) === true && !searchPath.includes('pg_temp')) return undefined
  if (!searchPath.includes('pg_catalog') && isShadowed(catalog, 'pg_catalog', name)) {
    return undefined
  }
  for (const candidate of searchPath) {
    if (candidate === 'pg_temp' && temporaryNames?.has(name) === true) return undefined
    const table = catalog.tables.get(tableKey(candidate, name))
    if (table !== undefined) return table
    if (isShadowed(catalog, candidate, name)) return undefined
  }
  return undefined
}

/** As resolveTable, for views over distributed tables. */
export function resolveView(
  catalog: Catalog,
  searchPath: readonly string[],
  schema: string | undefined,
  name: string,
  temporaryNames: ReadonlySet<string> | undefined = undefined,
): ClusterView | undefined {
  if (catalog.views.size === 0) return undefined
  if (schema !== undefined) return catalog.views.get(tableKey(schema, name))
  if (temporaryNames?.has(name) === true) return undefined
  const isImplicit = !searchPath.includes('pg_catalog')
  for (const candidate of isImplicit ? ['pg_catalog', ...searchPath] : searchPath) {
    const view = catalog.views.get(tableKey(candidate, name))
    if (view !== undefined) return view
    const isTable = catalog.tables.has(tableKey(candidate, name))
    if (isTable || isShadowed(catalog, candidate, name)) return undefined
  }
  return undefined
}

/** As resolveTable, for materialized views over distributed tables. */
export function resolveMaterializedView(
  world: {
    readonly catalog: Catalog
    readonly searchPath: readonly string[]
    readonly temporaryNames: ReadonlySet<string>
  },
  schema: string | undefined,
  name: string,
): MaterializedView | undefined {
  const { catalog, searchPath, temporaryNames } = world
  const views = catalog.materializedViews
  if (views === undefined) return undefined
  if (schema !== undefined) return views.get(tableKey(schema, name))
  if (temporaryNames.has(name)) return undefined
  for (const candidate of searchPath) {
    const view = views.get(tableKey(candidate, name))
    if (view !== undefined || isShadowed(catalog, candidate, name)) return view
  }
  return undefined
}

function isShadowed(catalog: Catalog, schema: string, name: string): boolean {
  return catalog.shadowingRelations.has(tableKey(schema, name))
}

/**
 * The value of search_path as a list of schema names: quotes removed, unquoted ones folded to lower case,
 * `$user` replaced by the role's name. A malformed value gives what was readable before the mistake.
 */
export function expandSearchPath(setting: string, user: string): string[] {
  const schemas: string[] = []
  const element = /\s*(?:"((?:[^"]|"")*)"|([^\s,"]+))\s*(,|$)/y
  while (element.lastIndex < setting.length) {
    const match = element.exec(setting)
    if (match === null) break
    const [, quoted, plain = ''] = match
    const name = quoted === undefined ? plain.toLowerCase() : quoted.replaceAll('""', '"')
    schemas.push(name === '$user' ? user : name)
  }
  return schemas
}

export function coordinatorOf(catalog: Catalog): ClusterNode {
  const node = catalog.nodes.find(({ groupId }) => groupId === 0)
  if (node === undefined) throw new Error('the catalog has no coordinator')
  return node
}
