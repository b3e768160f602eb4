import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import { quoteIdentifier, quoteLiteral, quoteQualified } from './shard-schema.ts'

/** A type of the user's as the catalogs of one node describe it; all names in it are qualified. */
export type TypeDescription = {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** typtype: e(num), d(omain), r(ange), m(ultirange), c(omposite), b(ase) */
  readonly kind: string
  readonly isArray: boolean
  readonly owner: string
  /** Of a composite: c, or what kind of relation has it as its row type. */
  readonly relationKind: string | null
  readonly extension: {
    readonly name: string
    readonly schema: string
    readonly version: string
  } | null
  readonly labels: readonly string[] | null
  readonly domain: {
    readonly base: string
    readonly collation: string | null
    readonly isNotNull: boolean
    readonly default: string | null
    readonly checks: readonly { readonly name: string; readonly definition: string }[] | null
  } | null
  readonly attributes:
    | readonly { readonly name: string; readonly type: string; readonly collation: string | null }[]
    | null
  readonly range: {
    readonly subtype: string
    readonly opclass: string
    readonly collation: string | null
    readonly canonical: string | null
    readonly difference: string | null
    readonly multirange: string
  } | null
  /** OIDs of other such types that it is made of. */
  readonly dependencies: readonly number[]
}

/** For a row t of pg_type: OIDs of what it is made of. */
export const TYPE_DEPENDENCIES = `
  SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
  UNION ALL SELECT t.typelem WHERE t.typcategory = 'A' AND t.typtype = 'b'
  UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
  UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid
  UNION ALL SELECT a.atttypid FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped`

function collationName(collation: string, usual: string): string {
  return `CASE WHEN ${collation} <> ${usual} THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
    FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = ${collation}) END`
}

/** FirstNormalObjectId: older types are Postgres' own. */
const DESCRIBE = `
WITH RECURSIVE needed(oid) AS (
  SELECT x::oid FROM unnest($1::int8[]) x WHERE x >= 16384
  UNION SELECT d.oid FROM needed n JOIN pg_type t ON t.oid = n.oid CROSS JOIN LATERAL (${TYPE_DEPENDENCIES}) d WHERE d.oid >= 16384
)
SELECT json_agg(json_build_object('oid', t.oid::int8, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
  'isArray', t.typcategory = 'A' AND t.typtype = 'b', 'owner', pg_get_userbyid(t.typowner),
  'relationKind', (SELECT relkind FROM pg_class WHERE oid = t.typrelid),
  'extension', (SELECT json_build_object('name', e.extname, 'schema', en.nspname, 'version', e.extversion)
    FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid JOIN pg_namespace en ON en.oid = e.extnamespace
    WHERE x.classid = 'pg_type'::regclass AND x.objid = t.oid AND x.deptype = 'e'),
  'labels', (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
  'domain', CASE WHEN t.typtype = 'd' THEN json_build_object('base', format_type(t.typbasetype, t.typtypmod),
    'collation', ${collationName('t.typcollation', '(SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)')},
    'isNotNull', t.typnotnull, 'default', t.typdefault,
    'checks', (SELECT json_agg(json_build_object('name', k.conname, 'definition', pg_get_constraintdef(k.oid)) ORDER BY k.conname)
      FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) END,
  'attributes', CASE WHEN t.typtype = 'c' THEN (SELECT json_agg(json_build_object('name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod), 'collation', ${collationName('a.attcollation', 'y.typcollation')}) ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
  'range', (SELECT json_build_object('subtype', format_type(r.rngsubtype, NULL),
      'opclass', quote_ident(pn.nspname) || '.' || quote_ident(p.opcname),
      'collation', ${collationName('r.rngcollation', 's.typcollation')},
      'canonical', nullif(r.rngcanonical::oid, 0)::regproc, 'difference', nullif(r.rngsubdiff::oid, 0)::regproc,
      'multirange', (SELECT m.typname FROM pg_type m WHERE m.oid = r.rngmultitypid))
    FROM pg_range r JOIN pg_opclass p ON p.oid = r.rngsubopc JOIN pg_namespace pn ON pn.oid = p.opcnamespace
    JOIN pg_type s ON s.oid = r.rngsubtype WHERE r.rngtypid = t.oid),
  'dependencies', coalesce((SELECT json_agg(d.oid::int8) FROM (${TYPE_DEPENDENCIES}) d WHERE d.oid >= 16384), '[]'::json)))
FROM needed JOIN pg_type t ON t.oid = needed.oid JOIN pg_namespace n ON n.oid = t.typnamespace`

/** The types and those that they are made of, these first. Reads under an empty search_path; in a transaction. */
export async function describeTypes(
  connection: BackendConnection,
  oids: readonly number[],
): Promise<readonly TypeDescription[]> {
  const saved = await query(connection, "SELECT current_setting('search_path')")
  await query(connection, "SELECT set_config('search_path', '', true)")
  const { rows } = await query(connection, DESCRIBE, [`{${oids.join()}}`])
  const path = saved.rows[0]?.[0] ?? ''
  await query(connection, "SELECT set_config('search_path', $1, true)", [path])
  const types: readonly TypeDescription[] = JSON.parse(rows[0]?.[0] ?? '[]')
  return inOrder(types)
}

function inOrder(types: readonly TypeDescription[]): readonly TypeDescription[] {
  const byOid = new Map(types.map((type) => [type.oid, type]))
  const ordered = new Set<TypeDescription>()
  const visit = (type: TypeDescription): void => {
    if (ordered.has(type)) return
    for (const oid of type.dependencies) {
      const dependency = byOid.get(oid)
      if (dependency !== undefined) visit(dependency)
    }
    ordered.add(type)
  }
  for (const type of types) visit(type)
  return [...ordered]
}

/** Equal texts: the types mean the same, wherever they are. */
export function meaningOf(type: TypeDescription): string {
  return JSON.stringify({
    ...type,
    oid: 0,
    dependencies: [],
    owner: '',
    extension: type.extension?.name,
  })
}

/** Makes the type on another node; nothing for those that come along with another. */
export function createTypeSql(type: TypeDescription): string[] {
  const { extension, kind } = type
  if (extension !== null) {
    const where = `SCHEMA ${quoteIdentifier(extension.schema)} VERSION ${quoteLiteral(extension.version)}`
    return [`CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(extension.name)} WITH ${where}`]
  }
  if (type.isArray || kind === 'm') return []
  const name = quoteQualified(type.schema, type.name)
  return [
    definitionSql(type, name),
    `ALTER ${kind === 'd' ? 'DOMAIN' : 'TYPE'} ${name} OWNER TO ${quoteIdentifier(type.owner)}`,
  ]
}

function definitionSql(type: TypeDescription, name: string): string {
  const { labels, domain, attributes, range } = type
  if (type.kind === 'e') {
    return `CREATE TYPE ${name} AS ENUM (${(labels ?? []).map(quoteLiteral).join(', ')})`
  }
  if (domain !== null) return domainSql(name, domain)
  if (range !== null) return rangeSql(type, name, range)
  if (type.kind === 'c' && type.relationKind === 'c') {
    const columns = (attributes ?? []).map(
      (each) => `${quoteIdentifier(each.name)} ${each.type}${collateSql(each.collation)}`,
    )
    return `CREATE TYPE ${name} AS (${columns.join(', ')})`
  }
  throw new RouterError(
    SqlState.featureNotSupported,
    `type ${type.schema}.${type.name} cannot be made on other nodes`,
    { hint: 'Use an enum, a domain, a range, a composite type, or a type of an extension.' },
  )
}

function collateSql(collation: string | null): string {
  return collation === null ? '' : ` COLLATE ${collation}`
}

function domainSql(name: string, domain: NonNullable<TypeDescription['domain']>): string {
  const checks = (domain.checks ?? []).map(
    (check) => ` CONSTRAINT ${quoteIdentifier(check.name)} ${check.definition}`,
  )
  const value = domain.default === null ? '' : ` DEFAULT ${domain.default}`
  const notNull = domain.isNotNull ? ' NOT NULL' : ''
  return `CREATE DOMAIN ${name} AS ${domain.base}${collateSql(domain.collation)}${value}${notNull}${checks.join('')}`
}

function rangeSql(
  type: TypeDescription,
  name: string,
  range: NonNullable<TypeDescription['range']>,
): string {
  if (range.canonical !== null) {
    throw new RouterError(
      SqlState.featureNotSupported,
      `range type ${type.schema}.${type.name} has a canonical function and cannot be made on other nodes`,
    )
  }
  const parts = [
    `SUBTYPE = ${range.subtype}`,
    `SUBTYPE_OPCLASS = ${range.opclass}`,
    ...(range.collation === null ? [] : [`COLLATION = ${range.collation}`]),
    ...(range.difference === null ? [] : [`SUBTYPE_DIFF = ${range.difference}`]),
    `MULTIRANGE_TYPE_NAME = ${quoteQualified(type.schema, range.multirange)}`,
  ]
  return `CREATE TYPE ${name} AS RANGE (${parts.join(', ')})`
}
