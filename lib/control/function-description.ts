import type { BackendConnection } from '../backend/backend-connection.ts'
import { query } from '../executor/node-client.ts'

export type FunctionNames = {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `integer, public.mood` */
  readonly arguments: string
  /** `public.f(integer, public.mood)`: the same on all nodes, and what ALTER, DROP and GRANT ROUTINE take. */
  readonly signature: string
  /** Equal: the same in every respect, on whichever nodes. */
  readonly digest: string
}

/** A function, procedure or aggregate of the user's as one node has it; all names in it are qualified. */
export type FunctionDescription = FunctionNames & {
  readonly definition: string
  readonly owner: string
  /** null: PUBLIC. */
  readonly grants: readonly { readonly role: string | null; readonly isGrantable: boolean }[]
  /** Of the types of its arguments and its result. */
  readonly typeOids: readonly number[]
}

/** Of a row p of pg_proc and its schema n: neither Postgres', nor an extension's, ours or a session's own. */
export const OWN_FUNCTION = `p.oid >= 16384 AND n.nspname !~ '^(pgloom|pg_)'
  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')`

const operator = (oid: string): string =>
  `(SELECT format('OPERATOR(%I.%s)', y.nspname, o.oprname) FROM pg_operator o JOIN pg_namespace y ON y.oid = o.oprnamespace WHERE o.oid = ${oid})`

const option = (name: string, value: string, condition: string): string =>
  `CASE WHEN ${condition} THEN ', ${name} = ' || ${value} ELSE '' END`

const modify = (column: string): string =>
  `CASE a.${column} WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END`

const AGGREGATE = `(SELECT format('CREATE OR REPLACE AGGREGATE %I.%I(%s) (SFUNC = %s, STYPE = %s, SSPACE = %s, FINALFUNC_MODIFY = %s', n.nspname, p.proname,
    coalesce(nullif(pg_get_function_arguments(p.oid), ''), '*'), a.aggtransfn, format_type(a.aggtranstype, NULL), a.aggtransspace, ${modify('aggfinalmodify')})
  || ${option('FINALFUNC', 'a.aggfinalfn', 'a.aggfinalfn <> 0')} || CASE WHEN a.aggfinalextra THEN ', FINALFUNC_EXTRA' ELSE '' END
  || ${option('COMBINEFUNC', 'a.aggcombinefn', 'a.aggcombinefn <> 0')} || ${option('SERIALFUNC', 'a.aggserialfn', 'a.aggserialfn <> 0')}
  || ${option('DESERIALFUNC', 'a.aggdeserialfn', 'a.aggdeserialfn <> 0')}
  || ${option('INITCOND', 'quote_literal(a.agginitval)', 'a.agginitval IS NOT NULL')}
  || ${option('MSFUNC', 'a.aggmtransfn', 'a.aggmtransfn <> 0')} || ${option('MINVFUNC', 'a.aggminvtransfn', 'a.aggminvtransfn <> 0')}
  || CASE WHEN a.aggmtranstype <> 0 THEN format(', MSTYPE = %s, MSSPACE = %s, MFINALFUNC_MODIFY = %s',
    format_type(a.aggmtranstype, NULL), a.aggmtransspace, ${modify('aggmfinalmodify')}) ELSE '' END
  || ${option('MFINALFUNC', 'a.aggmfinalfn', 'a.aggmfinalfn <> 0')} || CASE WHEN a.aggmfinalextra THEN ', MFINALFUNC_EXTRA' ELSE '' END
  || ${option('MINITCOND', 'quote_literal(a.aggminitval)', 'a.aggminitval IS NOT NULL')}
  || ${option('SORTOP', operator('a.aggsortop'), 'a.aggsortop <> 0')}
  || format(', PARALLEL = %s', CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END)
  || CASE WHEN a.aggkind = 'h' THEN ', HYPOTHETICAL' ELSE '' END || ')' FROM pg_aggregate a WHERE a.aggfnoid = p.oid)`

const DEFINITION = `CASE WHEN p.prokind = 'a' THEN ${AGGREGATE} ELSE pg_get_functiondef(p.oid) END`

const ACL = "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))"

/** pg_get_userbyid() of 0 would be a number that anybody may bear as a name. */
const GRANTS = `(SELECT jsonb_agg(g ORDER BY g) FROM (SELECT DISTINCT jsonb_build_object('role', CASE WHEN e.grantee <> 0
  THEN pg_get_userbyid(e.grantee) END, 'isGrantable', e.is_grantable) AS g FROM ${ACL} e) s)`

/** Under a search_path without schemas of users, for all nodes alike. */
export const FUNCTION_DIGEST = `md5(concat_ws('/', quote_ident(n.nspname), ${DEFINITION}, quote_ident(pg_get_userbyid(p.proowner)), ${GRANTS}))`

const NAMES = `'oid', p.oid::int8, 'schema', n.nspname, 'name', p.proname, 'arguments', oidvectortypes(p.proargtypes),
  'signature', format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), 'digest', ${FUNCTION_DIGEST}`

const DIGESTS = `SELECT json_agg(json_build_object(${NAMES}) ORDER BY p.oid)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${OWN_FUNCTION} AND ($1 = '' OR p.proname = $1)`

const DESCRIBE = `SELECT json_build_object(${NAMES}, 'definition', ${DEFINITION}, 'owner', pg_get_userbyid(p.proowner), 'grants', coalesce(${GRANTS}, '[]'),
  'typeOids', (SELECT coalesce(json_agg(DISTINCT o.oid::int8), '[]') FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) o (oid) WHERE o.oid >= 16384))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${OWN_FUNCTION} AND p.oid = ANY ($1::oid[]) ORDER BY p.oid`

/** Those that a node has, all or of one name, in the order in which they were made. In a transaction, as all of these. */
export async function functionNames(
  connection: BackendConnection,
  name = '',
): Promise<readonly FunctionNames[]> {
  const { rows } = await withoutPath(connection, () => query(connection, DIGESTS, [name]))
  return JSON.parse(rows[0]?.[0] ?? '[]')
}

export async function describeFunctions(
  connection: BackendConnection,
  oids: readonly number[],
): Promise<readonly FunctionDescription[]> {
  if (oids.length === 0) return []
  const ask = () => query(connection, DESCRIBE, [`{${oids.join()}}`])
  const { rows } = await withoutPath(connection, ask)
  return rows.map(([text = '']) => JSON.parse(text))
}

/** `work` sees all names qualified, and must qualify all. */
export async function withoutPath<T>(
  connection: BackendConnection,
  work: () => Promise<T>,
): Promise<T> {
  const { rows } = await query(
    connection,
    "SELECT current_setting('search_path'), set_config('search_path', '', true)",
  )
  const result = await work()
  await query(connection, "SELECT set_config('search_path', $1, true)", [rows[0]?.[0] ?? ''])
  return result
}
