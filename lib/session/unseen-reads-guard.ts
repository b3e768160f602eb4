import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import type { UnseenReads } from '../planner/plan.ts'
import type { SessionParts } from './session-parts.ts'

/** Roles' attributes and functions may be changed by others. */
const KNOWN_FOR_MS = 10_000

/** Whether the role bypasses row security; and a function that runs as an owner who does. */
const BYPASSES_SQL = `SELECT (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles
    WHERE rolname = current_user),
  (SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT LIKE 'pgloom%'
    JOIN pg_catalog.pg_roles r ON r.oid = p.proowner AND (r.rolsuper OR r.rolbypassrls)
    WHERE p.prosecdef AND p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
    LIMIT 1)`

/**
 * The names of distributed tables and of views over them; and a function that mentions one of these, or whose queries or
 * language hide what it reads.
 */
const CODE_SQL = String.raw`WITH RECURSIVE hidden(oid) AS (
    SELECT logicalrelid::oid FROM pgloom.pg_dist_partition WHERE partmethod = 'h'
    UNION
    SELECT r.ev_class FROM hidden h
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refobjid = h.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
  ), names AS (
    SELECT pg_catalog.json_agg(DISTINCT relname)::text AS list,
      '\m(' || pg_catalog.string_agg(DISTINCT pg_catalog.regexp_replace(relname, '(\W)', '\\\1', 'g'), '|')
        || ')\M' AS pattern
    FROM hidden JOIN pg_catalog.pg_class c USING (oid)
  ), code AS (
    SELECT p.oid, l.lanname, p.prokind, CASE WHEN p.prosqlbody IS NULL THEN p.prosrc
      ELSE pg_catalog.pg_get_functiondef(p.oid) END AS body
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT LIKE 'pgloom%'
    WHERE p.oid >= 16384 AND p.prokind <> 'a' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'))
  SELECT list, (SELECT oid::pg_catalog.regprocedure FROM code
    WHERE lanname NOT IN ('sql', 'plpgsql') OR body ~* pattern
      OR body ~* '\mexecute\M|_to_xml|\mts_(stat|rewrite)\M' LIMIT 1)
  FROM names`

const HIDES_WHAT_IT_READS = /\bexecute\b|_to_xml|\bts_(?:stat|rewrite)\b/i

/** Of these relations one that is, directly or through other views, a view of a distributed table. */
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

/** Of these relations one with a trigger of the user's. */
const TRIGGERS_SQL = `SELECT 1 FROM pg_catalog.pg_trigger g
  JOIN pg_catalog.unnest($1::text[]) n ON g.tgrelid = pg_catalog.to_regclass(n)::oid
  WHERE NOT g.tgisinternal AND g.tgfoid >= 16384 LIMIT 1`

type Code = {
  /** Of distributed tables and views over them. */
  readonly names: readonly string[]
  /** undefined: no function can read them. */
  readonly reader: string | undefined
}

type Known = {
  readonly role: string
  readonly untilMs: number
  readonly bypasses: boolean
  /** A function that runs as a role which bypasses row security. */
  readonly definer: string | undefined
  code: Code | undefined
}

/**
 * The guards of the empty tables that stand for distributed ones on the servers do not stop a role that bypasses row
 * security: it would read no rows, without a word. So nothing may run as such a role that might read them unseen.
 */
export class UnseenReadsGuard {
  readonly #parts: SessionParts
  #known: Known | undefined

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Throws 0A000. */
  async check(reads: UnseenReads, coordinator: () => Promise<BackendConnection>): Promise<void> {
    const known = await this.#role(coordinator)
    const { bypasses, definer } = known
    if (!bypasses && definer === undefined) return
    if (bypasses) await refuseViews(reads, coordinator)
    if (!(reads.runsCode || (await hasTriggers(reads, coordinator)))) return
    known.code ??= await codeOf(await coordinator())
    const { names, reader } = known.code
    const isRead = bypasses && mentions(reads.code, names)
    if (!isRead && reader === undefined) return
    throw refusal(
      bypasses
        ? 'roles that bypass row security cannot run functions or code blocks'
        : 'functions cannot be run where one runs as an owner who bypasses row security',
      isRead ? undefined : reader,
      bypasses ? undefined : definer,
    )
  }

  async #role(coordinator: () => Promise<BackendConnection>): Promise<Known> {
    const { effective } = this.#parts.settings
    const role = `${effective.get('role')}/${effective.get('session_authorization')}`
    if (this.#known?.role === role && performance.now() < this.#known.untilMs) return this.#known
    const { rows } = await query(await coordinator(), BYPASSES_SQL)
    const [bypasses, definer] = rows[0] ?? []
    const untilMs = performance.now() + KNOWN_FOR_MS
    this.#known = { role, untilMs, bypasses: bypasses !== 'f', definer, code: undefined }
    return this.#known
  }

  /** The session has changed objects. */
  forget(): void {
    this.#known = undefined
  }
}

async function codeOf(connection: BackendConnection): Promise<Code> {
  const { rows } = await query(connection, CODE_SQL)
  const [names, reader] = rows[0] ?? []
  return { names: JSON.parse(names ?? '[]') as string[], reader }
}

async function refuseViews(
  { relations }: UnseenReads,
  coordinator: () => Promise<BackendConnection>,
): Promise<void> {
  if (relations.length === 0) return
  const { rows } = await query(await coordinator(), VIEWS_SQL, [arrayOf(relations)])
  if (rows.length === 0) return
  throw refusal('roles that bypass row security cannot read views of distributed tables')
}

async function hasTriggers(
  { relations, writes }: UnseenReads,
  coordinator: () => Promise<BackendConnection>,
): Promise<boolean> {
  if (!writes || relations.length === 0) return false
  const { rows } = await query(await coordinator(), TRIGGERS_SQL, [arrayOf(relations)])
  return rows.length > 0
}

function mentions(code: string, names: readonly string[]): boolean {
  if (code === '') return false
  const lower = code.toLowerCase()
  return HIDES_WHAT_IT_READS.test(code) || names.some((name) => lower.includes(name.toLowerCase()))
}

function arrayOf(names: readonly string[]): string {
  return `{${names.map(arrayElement).join()}}`
}

function arrayElement(name: string): string {
  return `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function refusal(what: string, reader?: string, definer?: string): RouterError {
  const named = reader === undefined ? '' : ` Function ${reader} may read them.`
  return new RouterError(
    SqlState.featureNotSupported,
    `${what} while there are distributed tables`,
    {
      detail: `Distributed tables would look empty to them.${named}`,
      hint:
        definer === undefined
          ? 'Use an ordinary role, for example SET ROLE app.'
          : `Let an ordinary role own function ${definer}, or make it SECURITY INVOKER.`,
    },
  )
}
