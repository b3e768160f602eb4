import { type Catalog, type FunctionBody, tableKey, type UserFunction } from '../catalog/catalog.ts'
import type { NodeType } from '../catalog/user-types.ts'
import { FUNCTION_DIGEST, OWN_FUNCTION } from './function-description.ts'

/** All functions of one name: equal digests mean the same functions. */
type NamedFunctions = readonly [
  name: string,
  digest: string,
  bodies: readonly FunctionBody[] | null,
]
export type FunctionsDocument = readonly NamedFunctions[]

const DIGEST_OF_ALL = `md5(string_agg(${FUNCTION_DIGEST}, '' ORDER BY ${FUNCTION_DIGEST}))`

const FROM = `FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang WHERE ${OWN_FUNCTION} GROUP BY p.proname`

/**
 * Rows of tables bear a type that is each node's own; settings of a role, or a path that hides pg_catalog, may do anything. A call may
 * mean an extension's function of the same name, and a cast is code that no body names.
 */
const IS_READABLE = `p.prokind = 'f' AND NOT p.proretset AND l.lanname IN ('sql', 'plpgsql') AND length(p.prosrc) < 20000
  AND coalesce(p.proconfig::text !~* '(role|session_authorization)=|search_path=.*,.*pg_catalog', true)
  AND NOT EXISTS (SELECT FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) o (oid)
    JOIN pg_type t ON t.oid = o.oid LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
    LEFT JOIN pg_class c ON c.oid = coalesce(nullif(t.typrelid, 0), e.typrelid)
    WHERE c.relkind <> 'c' OR (t.typtype = 'p' AND t.typname <> 'void' AND t.typname !~ '^any.'))
  AND NOT EXISTS (SELECT FROM pg_proc f JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e'
    WHERE f.proname = p.proname)
  AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'e'))`

const BODY = `json_build_object('language', l.lanname, 'text', CASE WHEN l.lanname = 'sql' AND p.prosqlbody IS NULL THEN p.prosrc
  ELSE pg_get_functiondef(p.oid) END, 'defaults', pg_get_expr(p.proargdefaults, 0), 'volatility', p.provolatile)`

/** A FunctionsDocument. */
export const USER_FUNCTIONS = `SELECT json_agg(f ORDER BY f ->> 0) FROM (SELECT json_build_array(p.proname, ${DIGEST_OF_ALL},
  CASE WHEN bool_and(${IS_READABLE}) THEN json_agg(${BODY} ORDER BY p.oid) FILTER (WHERE ${IS_READABLE}) END) AS f ${FROM}) s`

/** Of a node, as rows like those of its tables. */
export const FUNCTION_ROWS = `SELECT json_build_array(p.proname, ${DIGEST_OF_ALL}, 0, 'function') ${FROM}`

/** By node: digests of its functions, by name. */
export type FunctionsOfNodes = readonly ReadonlyMap<string, string>[]

export function functionsOf(
  document: FunctionsDocument,
  nodes: FunctionsOfNodes,
): Pick<Catalog, 'functions'> {
  if (document.length === 0) return {}
  const functions = document.map(([name, digest, bodies]): readonly [string, UserFunction] => {
    const isEverywhere = nodes.every((node) => node.get(name) === digest)
    return [name, Object.freeze({ isEverywhere, bodies: bodies ?? undefined })]
  })
  return { functions: new Map(functions) }
}

/** A name counts where each node has the types of that name that the coordinator has. */
export function commonTypes(
  own: readonly NodeType[],
  others: readonly (readonly NodeType[])[],
): Pick<Catalog, 'commonTypes'> {
  const common = new Set(own.map(([, name]) => name))
  for (const types of others) {
    const there = new Set(types.map(([schema, name]) => tableKey(schema, name)))
    for (const [schema, name] of own) if (!there.has(tableKey(schema, name))) common.delete(name)
  }
  return common.size === 0 ? {} : { commonTypes: common }
}
