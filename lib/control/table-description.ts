import type { BackendConnection } from '../backend/backend-connection.ts'
import { query } from '../executor/node-client.ts'

/** A table as the catalogs of one node describe it; all names in expressions and definitions are qualified. */
export type TableDescription = {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly owner: string
  readonly kind: string
  readonly persistence: string
  readonly isPartition: boolean
  readonly hasParentOrChild: boolean
  readonly hasRowSecurity: boolean
  readonly forcesRowSecurity: boolean
  /** Names of all policies and (not internal) triggers, our guards included; enabled ones only. */
  readonly policies: readonly string[]
  readonly triggers: readonly string[]
  readonly rules: readonly string[]
  readonly extension: boolean
  readonly options: readonly string[] | null
  readonly replicaIdentity: string
  readonly columns: readonly ColumnDescription[]
  readonly constraints: readonly ConstraintDescription[]
  readonly indexes: readonly IndexDescription[]
  readonly foreignKeys: readonly ForeignKeyDescription[]
  /** Foreign keys of other tables that refer to this one. */
  readonly referencedBy: readonly ForeignKeyDescription[]
  readonly sequences: readonly SequenceDescription[]
  readonly statistics: readonly { readonly name: string; readonly definition: string }[]
  readonly grants: readonly GrantDescription[]
}

export type ColumnDescription = {
  readonly name: string
  readonly number: number
  readonly typeOid: number
  readonly typeName: string
  readonly typeSchema: string
  readonly typeKind: string
  readonly collation: string | null
  readonly isDeterministic: boolean
  readonly isNotNull: boolean
  readonly default: string | null
  /** '', 's' (stored) or 'v' (virtual) */
  readonly generated: string
  /** '', 'a' (always) or 'd' (by default) */
  readonly identity: string
  readonly identitySequence: string | null
  readonly storage: string | null
  readonly compression: string | null
  readonly statisticsTarget: number | null
}

/** CHECK, PRIMARY KEY, UNIQUE or EXCLUDE */
export type ConstraintDescription = {
  readonly name: string
  readonly type: 'c' | 'p' | 'u' | 'x'
  readonly definition: string
  readonly columns: readonly number[] | null
  /** EXCLUDE: names of the operators, in the columns' order. */
  readonly operators: readonly string[] | null
}

/** One that belongs to no constraint. */
export type IndexDescription = {
  readonly name: string
  readonly isUnique: boolean
  readonly isValid: boolean
  readonly definition: string
  /** Key columns; 0 for an expression. */
  readonly columns: readonly number[]
}

export type ForeignKeyDescription = {
  readonly name: string
  readonly oid: number
  readonly schema: string
  readonly table: string
  readonly columns: readonly string[]
  readonly targetOid: number
  readonly targetSchema: string
  readonly targetTable: string
  readonly targetColumns: readonly string[]
  readonly match: string
  readonly onUpdate: string
  readonly onDelete: string
  readonly onDeleteColumns: readonly string[] | null
  readonly isDeferrable: boolean
  readonly isDeferred: boolean
  readonly isValidated: boolean
  /** PERIOD or NOT ENFORCED, of Postgres 18. */
  readonly isUnusual: boolean
}

export type SequenceDescription = {
  readonly schema: string
  readonly name: string
  readonly owner: string
  readonly type: string
  readonly column: string | null
  readonly start: string
  readonly increment: string
  readonly maximum: string
  readonly minimum: string
  readonly cache: string
  readonly isCycled: boolean
}

export type GrantDescription = {
  readonly privilege: string
  readonly grantee: string
  readonly column: string | null
  readonly isGrantable: boolean
}

const COLUMNS = `SELECT json_agg(json_build_object('name', a.attname, 'number', a.attnum, 'typeOid', a.atttypid::int8,
    'typeName', format_type(a.atttypid, a.atttypmod), 'typeSchema', yn.nspname, 'typeKind', y.typtype,
    'collation', CASE WHEN a.attcollation <> y.typcollation THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END,
    'isDeterministic', coalesce(co.collisdeterministic, true), 'isNotNull', a.attnotnull,
    'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated, 'identity', a.attidentity,
    'identitySequence', CASE WHEN a.attidentity <> '' THEN pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname) END,
    'storage', CASE WHEN a.attstorage <> y.typstorage THEN a.attstorage END,
    'compression', nullif(a.attcompression, ''), 'statisticsTarget', nullif(a.attstattarget, -1)) ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid JOIN pg_namespace yn ON yn.oid = y.typnamespace
  LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`

const CONSTRAINTS = `SELECT json_agg(json_build_object('name', k.conname, 'type', k.contype,
    'definition', pg_get_constraintdef(k.oid), 'columns', k.conkey,
    'operators', (SELECT json_agg(o.oprname ORDER BY e.n) FROM unnest(k.conexclop) WITH ORDINALITY e(op, n)
      JOIN pg_operator o ON o.oid = e.op)) ORDER BY array_position('{c,p,u,x}', k.contype::text), k.oid)
  FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'p', 'u', 'x')`

const INDEXES = `SELECT json_agg(json_build_object('name', ic.relname, 'isUnique', i.indisunique, 'isValid', i.indisvalid,
    'definition', pg_get_indexdef(i.indexrelid),
    'columns', (SELECT json_agg(u.attnum ORDER BY u.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(attnum, n)
      WHERE u.n <= i.indnkeyatts)) ORDER BY ic.oid)
  FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
  WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_constraint k
    WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))`

function columnNames(relation: string, numbers: string): string {
  return `(SELECT json_agg(a.attname ORDER BY u.n) FROM unnest(${numbers}) WITH ORDINALITY u(attnum, n)
      JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = u.attnum)`
}

/** to_jsonb: servers before 15 have no confdelsetcols. */
const FOREIGN_KEYS = `SELECT json_agg(json_build_object('name', k.conname, 'oid', k.conrelid::int8, 'schema', rn.nspname,
    'table', r.relname, 'columns', ${columnNames('k.conrelid', 'k.conkey')},
    'targetOid', k.confrelid::int8, 'targetSchema', fn.nspname, 'targetTable', f.relname,
    'targetColumns', ${columnNames('k.confrelid', 'k.confkey')},
    'match', k.confmatchtype, 'onUpdate', k.confupdtype, 'onDelete', k.confdeltype,
    'onDeleteColumns', ${columnNames('k.conrelid', "(SELECT array_agg(x::int2) FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(to_jsonb(k)->'confdelsetcols') = 'array' THEN to_jsonb(k)->'confdelsetcols' ELSE '[]' END) x)")},
    'isDeferrable', k.condeferrable, 'isDeferred', k.condeferred, 'isValidated', k.convalidated,
    'isUnusual', coalesce(to_jsonb(k)->>'conperiod', 'false') = 'true' OR coalesce(to_jsonb(k)->>'conenforced', 'true') = 'false') ORDER BY k.oid)
  FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
  JOIN pg_class r ON r.oid = k.conrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
  WHERE k.contype = 'f'`

/** Those its columns own or take defaults from. */
const SEQUENCES = `SELECT json_agg(json_build_object('schema', sn.nspname, 'name', sc.relname, 'owner', pg_get_userbyid(sc.relowner),
    'type', format_type(s.seqtypid, NULL), 'start', s.seqstart::text, 'increment', s.seqincrement::text,
    'maximum', s.seqmax::text, 'minimum', s.seqmin::text, 'cache', s.seqcache::text, 'isCycled', s.seqcycle,
    'column', (SELECT a.attname FROM pg_depend o JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
      WHERE o.classid = 'pg_class'::regclass AND o.objid = sc.oid AND o.refobjid = c.oid AND o.deptype IN ('a', 'i') LIMIT 1)) ORDER BY sc.oid)
  FROM pg_sequence s JOIN pg_class sc ON sc.oid = s.seqrelid JOIN pg_namespace sn ON sn.oid = sc.relnamespace
  WHERE sc.oid IN (
    SELECT o.objid FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass
      AND o.refobjid = c.oid AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')
    UNION SELECT o.refobjid FROM pg_attrdef d JOIN pg_depend o ON o.classid = 'pg_attrdef'::regclass AND o.objid = d.oid
      WHERE d.adrelid = c.oid AND o.refclassid = 'pg_class'::regclass)`

const GRANTS = `SELECT json_agg(json_build_object('privilege', g.privilege_type,
    'grantee', CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
    'column', g.col, 'isGrantable', g.is_grantable))
  FROM (SELECT e.grantee, e.privilege_type, e.is_grantable, NULL::name AS col FROM aclexplode(c.relacl) e
    WHERE e.grantee <> c.relowner
    UNION ALL SELECT e.grantee, e.privilege_type, e.is_grantable, a.attname FROM pg_attribute a, aclexplode(a.attacl) e
    WHERE a.attrelid = c.oid AND NOT a.attisdropped) g`

function list(select: string): string {
  return `coalesce((${select}), '[]'::json)`
}

const DESCRIBE = `SELECT json_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname,
  'owner', pg_get_userbyid(c.relowner), 'kind', c.relkind, 'persistence', c.relpersistence, 'isPartition', c.relispartition,
  'hasParentOrChild', EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),
  'hasRowSecurity', c.relrowsecurity, 'forcesRowSecurity', c.relforcerowsecurity,
  'policies', ${list('SELECT json_agg(p.polname ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid')},
  'triggers', ${list("SELECT json_agg(g.tgname ORDER BY g.tgname) FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'")},
  'rules', ${list('SELECT json_agg(w.rulename) FROM pg_rewrite w WHERE w.ev_class = c.oid')},
  'extension', EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'),
  'options', to_json(c.reloptions), 'replicaIdentity', c.relreplident,
  'columns', ${list(COLUMNS)}, 'constraints', ${list(CONSTRAINTS)}, 'indexes', ${list(INDEXES)},
  'foreignKeys', ${list(`${FOREIGN_KEYS} AND k.conrelid = c.oid`)},
  'referencedBy', ${list(`${FOREIGN_KEYS} AND k.confrelid = c.oid AND k.conrelid <> c.oid`)},
  'sequences', ${list(SEQUENCES)}, 'grants', ${list(GRANTS)},
  'statistics', ${list("SELECT json_agg(json_build_object('name', s.stxname, 'definition', pg_get_statisticsobjdef(s.oid))) FROM pg_statistic_ext s WHERE s.stxrelid = c.oid AND s.stxnamespace NOT IN (SELECT g.oid FROM pg_namespace g WHERE g.nspname = 'pgloom_guards')")})
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = `

/**
 * Reads under an empty search_path, so that every name comes out qualified, and without JIT, which takes a second to
 * compile what runs in a millisecond; both settings are put back. In a transaction. undefined: no such relation.
 */
export async function describeTable(
  connection: BackendConnection,
  oid: number,
): Promise<TableDescription | undefined> {
  const saved = await query(
    connection,
    "SELECT current_setting('search_path'), current_setting('jit')",
  )
  await query(
    connection,
    "SELECT set_config('search_path', '', true), set_config('jit', 'off', true)",
  )
  const { rows } = await query(connection, `${DESCRIBE}${oid}`)
  const [path = '', jit = 'on'] = saved.rows[0] ?? []
  await query(
    connection,
    "SELECT set_config('search_path', $1, true), set_config('jit', $2, true)",
    [path, jit],
  )
  const text = rows[0]?.[0]
  return text === undefined ? undefined : JSON.parse(text)
}
