import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { VIEW_STATE_SQL } from '../catalog/view-state.ts'
import { query } from '../executor/node-client.ts'
import type { ViewUse } from '../planner/plan.ts'

/**
 * What stands in the way of the first of these relations: views as they were when the statement was planned ($3, '' for
 * other relations), used by some right ($4) of a role ($2, '' for the session's own). The shards only know the session's role:
 * it needs rights on the tables, too, and its policies must be the ones that apply.
 */
const PROBLEM_SQL = `SELECT problem, relation, role FROM (SELECT u.n, c.relname AS relation, r.role, CASE
  WHEN c.oid IS NULL OR (u.state <> '' AND (${VIEW_STATE_SQL}) IS DISTINCT FROM u.state) THEN 'changed'
  WHEN NOT pg_catalog.has_table_privilege(r.role, c.oid, u.needed) THEN CASE WHEN u.needed = 'DELETE' THEN 'denied'
    WHEN pg_catalog.has_any_column_privilege(r.role, c.oid, u.needed) THEN 'columns' ELSE 'denied' END
  WHEN u.state = '' AND NOT pg_catalog.has_table_privilege(c.oid, u.needed) THEN 'rights'
  WHEN u.state = '' AND r.role <> current_user AND c.relrowsecurity AND EXISTS (SELECT FROM pg_catalog.pg_policy p
    WHERE p.polrelid = c.oid AND p.polname !~ '^pgloom_guard') THEN 'policies' END AS problem
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::pg_catalog.name[]),
    pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[])) WITH ORDINALITY u(oid, role, state, needed, n)
  CROSS JOIN LATERAL (SELECT CASE WHEN u.role = '' THEN current_user ELSE u.role END AS role) r
  LEFT JOIN pg_catalog.pg_class c ON c.oid = u.oid) x WHERE problem IS NOT NULL ORDER BY n LIMIT 1`

/** The statement was planned with views that are others by now. */
export class ViewChanged extends RouterError {}

type Entry = {
  readonly oid: number
  readonly role: string
  readonly state: string
  readonly right: string
}

/** Throws where Postgres would deny the views to the session's role, or where we can't tell that it would not. */
export async function checkViews(
  uses: readonly ViewUse[],
  coordinator: BackendConnection,
): Promise<void> {
  const entries = entriesOf(uses)
  const { rows } = await query(coordinator, PROBLEM_SQL, [
    array(entries.map(({ oid }) => String(oid))),
    array(entries.map(({ role }) => role)),
    array(entries.map(({ state }) => state)),
    array(entries.map(({ right }) => right)),
  ])
  const [problem, relation = '', role = ''] = rows[0] ?? []
  if (problem !== undefined) throw problemError(problem, relation, role)
}

function entriesOf(uses: readonly ViewUse[]): readonly Entry[] {
  const views = new Set(uses.map(({ view }) => view.oid))
  return uses.flatMap((use) => {
    const { view, reader } = use
    const role = view.owner ?? reader ?? ''
    const others = view.relationOids.filter((oid) => !views.has(oid))
    return [
      ...rightsOnView(use).map((right) => ({
        oid: view.oid,
        role: reader ?? '',
        state: view.state,
        right,
      })),
      ...others.flatMap((oid) =>
        rightsBelow(use, oid).map((right) => ({ oid, role, state: '', right })),
      ),
    ]
  })
}

function rightsOnView({ locks, write }: ViewUse): readonly string[] {
  if (write !== undefined) return write.reads ? [write.right, 'SELECT'] : [write.right]
  return locks ? ['SELECT', 'UPDATE'] : ['SELECT']
}

function rightsBelow({ write }: ViewUse, oid: number): readonly string[] {
  return write?.baseOid === oid ? [write.right, 'SELECT'] : ['SELECT']
}

function array(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join()}}`
}

function problemError(problem: string, relation: string, role: string): RouterError {
  if (problem === 'changed') {
    return new ViewChanged(
      SqlState.serializationFailure,
      'a view that the statement reads was changed or dropped meanwhile',
      { hint: 'Retry the statement.' },
    )
  }
  if (problem === 'denied') {
    return new RouterError(SqlState.insufficientPrivilege, `permission denied for ${relation}`, {
      detail: `Role ${role} reads it for the statement.`,
    })
  }
  return new RouterError(
    SqlState.featureNotSupported,
    `a view over distributed tables cannot give rows of "${relation}" that its reader may not read`,
    {
      hint: `Grant SELECT on the whole of "${relation}", without row security policies, to those who read the view.`,
    },
  )
}
