import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import type { UnseenReads } from '../planner/plan.ts'
import type { SessionParts } from './session-parts.ts'

/** A role's attributes may be changed by others. */
const KNOWN_FOR_MS = 10_000

const BYPASSES_SQL = `SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles
  WHERE rolname = current_user`

/** Whether a view among these names reads, directly or through others, a distributed table. */
const VIEWS_SQL = `WITH RECURSIVE used(oid) AS (
    SELECT pg_catalog.to_regclass(n)::oid FROM pg_catalog.unnest($1::text[]) n
    UNION
    SELECT d.refobjid FROM used u
      JOIN pg_catalog.pg_class c ON c.oid = u.oid AND c.relkind = 'v'
      JOIN pg_catalog.pg_rewrite r ON r.ev_class = u.oid
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)
  SELECT 1 FROM used JOIN pgloom.pg_dist_partition p ON p.logicalrelid = used.oid
  WHERE p.partmethod = 'h' LIMIT 1`

/**
 * The guards of the empty tables that stand for distributed ones on the servers do not stop a role that bypasses row
 * security: it would read no rows, without a word. So such a role may not run what might read them unseen.
 */
export class UnseenReadsGuard {
  readonly #parts: SessionParts
  #role: string | undefined = undefined
  #bypasses = false
  #knownUntilMs = 0

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Throws 0A000. */
  async check(reads: UnseenReads, coordinator: () => Promise<BackendConnection>): Promise<void> {
    if (!(await this.#bypassesRowSecurity(coordinator))) return
    if (reads.runsCode) throw refusal('run functions or code blocks')
    const names = `{${reads.relations.map(arrayElement).join()}}`
    const { rows } = await query(await coordinator(), VIEWS_SQL, [names])
    if (rows.length > 0) throw refusal('read views of distributed tables')
  }

  async #bypassesRowSecurity(coordinator: () => Promise<BackendConnection>): Promise<boolean> {
    const { effective } = this.#parts.settings
    const role = `${effective.get('role')}/${effective.get('session_authorization')}`
    if (role === this.#role && performance.now() < this.#knownUntilMs) return this.#bypasses
    const { rows } = await query(await coordinator(), BYPASSES_SQL)
    this.#bypasses = rows[0]?.[0] !== 'f'
    this.#role = role
    this.#knownUntilMs = performance.now() + KNOWN_FOR_MS
    return this.#bypasses
  }
}

function arrayElement(name: string): string {
  return `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function refusal(what: string): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `roles that bypass row security cannot ${what} while there are distributed tables`,
    {
      detail: 'Distributed tables would look empty to them.',
      hint: 'Use an ordinary role, for example SET ROLE app.',
    },
  )
}
