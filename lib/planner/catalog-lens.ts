/**
 * Relations of Postgres' catalogs that have a view of the same name and columns in schema `pgloom_catalog`
 * (control/catalog-lens-sql), which hides what is ours: guards, shard schemas, our own schemas. The views have the columns
 * of their relations, so no system columns (tableoid, ctid, xmin), nor a primary key: `GROUP BY c.oid` doesn't bring the other
 * columns along. Functions of the same names give system columns as well, and go where views must not be read (pg_dump).
 */
export const LENS_SCHEMA = 'pgloom_catalog'

const LENSED: Readonly<Record<string, ReadonlySet<string>>> = {
  pg_catalog: new Set([
    'pg_class',
    'pg_constraint',
    'pg_index',
    'pg_indexes',
    'pg_matviews',
    'pg_namespace',
    'pg_policies',
    'pg_policy',
    'pg_sequences',
    'pg_statistic_ext',
    'pg_tables',
    'pg_trigger',
    'pg_views',
  ]),
  information_schema: new Set([
    'check_constraints',
    'columns',
    'constraint_column_usage',
    'key_column_usage',
    'referential_constraints',
    'schemata',
    'sequences',
    'table_constraints',
    'tables',
    'triggers',
    'views',
  ]),
}

/** Relations that have a function only: those who look at all of them ask for system columns. */
const LENSED_BY_FUNCTION: ReadonlySet<string> = new Set([
  'pg_depend',
  'pg_proc',
  'pg_rewrite',
  'pg_type',
])

/** Of those, a function gives these. */
export const GIVEN_SYSTEM_COLUMNS: ReadonlySet<string> = new Set(['tableoid', 'ctid', 'xmin'])

const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  'tableoid',
  'ctid',
  'xmin',
  'xmax',
  'cmin',
  'cmax',
])

/**
 * The quoted, qualified view that stands in for a relation, or undefined. Unqualified names are looked up in pg_catalog, which
 * is searched first unless the search path names it: then the caller resolves the name itself and gives its schema.
 */
export function lensOf(
  schema: string | undefined,
  name: string,
  isFunction = false,
): string | undefined {
  const inSchema = schema ?? 'pg_catalog'
  const hasFunction = isFunction && inSchema === 'pg_catalog' && LENSED_BY_FUNCTION.has(name)
  const isLensed = hasFunction || LENSED[inSchema]?.has(name) === true
  return isLensed ? `${LENS_SCHEMA}.${name}` : undefined
}

/** Whether a column of this name is one that no view has. */
export function isSystemColumn(name: string): boolean {
  return SYSTEM_COLUMNS.has(name)
}
