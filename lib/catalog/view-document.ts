import type { ClusterView } from './catalog.ts'
import { INVOKES_SQL, VIEW_STATE_SQL } from './view-state.ts'

/** A view as it is read, in JSON. */
export type ViewDocument = Omit<ClusterView, 'columns' | 'owner' | 'relationOids'> & {
  readonly columns: readonly string[] | null
  readonly owner: string | null
  readonly relationOids: readonly number[] | null
}

/** The OIDs of distributed tables and of views that read them, directly or not. */
export const READING_SQL = `
WITH RECURSIVE reading(oid) AS (
  SELECT logicalrelid::oid FROM pgloom.pg_dist_partition WHERE partmethod = 'h'
  UNION
  SELECT w.ev_class FROM reading r JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
    AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite w ON w.oid = d.objid AND w.ev_class <> r.oid AND w.rulename = '_RETURN'
  JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
)`

const RULE_RELATIONS = `
  SELECT DISTINCT d.refobjid FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
  WHERE w.ev_class = c.oid AND w.rulename = '_RETURN'`

/** A JSON array of the views in `reading` for which the condition on pg_class c and pg_namespace x holds. */
export const viewsSql = (condition: string): string => `
  SELECT json_agg(json_build_object('oid', c.oid::int8, 'schema', x.nspname, 'name', c.relname,
    'columns', (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
    'definition', rtrim(pg_get_viewdef(c.oid), ';'),
    'owner', CASE WHEN NOT ${INVOKES_SQL} THEN pg_get_userbyid(c.relowner) END,
    'updatable', CASE WHEN c.relhastriggers OR c.reloptions::text ~* 'security_barrier=(true|on|yes|1)'
      OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN')
      OR EXISTS (SELECT FROM pg_attrdef f WHERE f.adrelid = c.oid) THEN 0 ELSE pg_relation_is_updatable(c.oid, false) END,
    'hasCheckOption', coalesce(c.reloptions::text ~ 'check_option=', false),
    'relationOids', (SELECT json_agg(r.refobjid::int8 ORDER BY r.refobjid) FROM (${RULE_RELATIONS}) r),
    'state', (${VIEW_STATE_SQL})) ORDER BY c.oid)
  FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace
  WHERE c.oid IN (SELECT oid FROM reading) AND c.relkind = 'v' AND ${condition}`

export function viewOf(view: ViewDocument): ClusterView {
  const { columns, owner, relationOids } = view
  return Object.freeze({
    ...view,
    columns: Object.freeze(columns ?? []),
    owner: owner ?? undefined,
    relationOids: Object.freeze(relationOids ?? []),
  })
}
