import type { BackendConnection } from '../backend/backend-connection.ts'
import type { PinReason } from '../planner/plan.ts'
import { query } from './node-client.ts'

/** What a server session holds that no other connection has. */
export type HeldState = {
  readonly reasons: readonly PinReason[]
  /** Of tables, views and sequences. */
  readonly temporaryNames: readonly string[]
}

/** Objects of the temporary schema depend on it; once made, the schema itself stays as long as the server session. */
const HELD_SQL = `SELECT
  CASE WHEN pg_catalog.pg_my_temp_schema() <> 0 THEN (
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend
    WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
      AND refobjid = pg_catalog.pg_my_temp_schema()) ELSE 0 END,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE is_holdable),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_listening_channels()),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql),
  CASE WHEN pg_catalog.pg_my_temp_schema() <> 0 THEN (
    SELECT pg_catalog.json_agg(relname) FROM pg_catalog.pg_class
    WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND relkind NOT IN ('i', 'I', 'c')) END`

/** In the order of the columns of HELD_SQL. */
const REASONS: readonly PinReason[] = [
  'temporary table',
  'advisory lock',
  'cursor with hold',
  'listen',
  'prepared statement',
]

/** Asks the server. Inside a transaction its own locks and cursors count too. */
export async function heldState(connection: BackendConnection): Promise<HeldState> {
  const { rows } = await query(connection, HELD_SQL)
  const [row = []] = rows
  return {
    reasons: REASONS.filter((_reason, index) => row[index] !== '0'),
    temporaryNames: JSON.parse(row[REASONS.length] ?? '[]') as string[],
  }
}
