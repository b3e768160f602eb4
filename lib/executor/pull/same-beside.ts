import type { PulledPlan } from '../../planner/plan.ts'
import { query } from '../node-client.ts'
import { nodesOf, type PulledRun, readers } from './pulled.ts'

/**
 * No row is written or locked by it, no table kept from others; and each statement has a snapshot of its own. Nor does anybody wait to
 * keep a table from others: who comes later waits behind him, and he perhaps for this block.
 */
const UNTOUCHED = `SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL
  AND pg_catalog.current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    AND (l.pid = pg_catalog.pg_backend_pid() OR NOT l.granted))`

/**
 * A transaction beside the client's block sees what the block does, and can't be made to wait for it: by what the nodes say that
 * the statement reads.
 */
export async function seesTheSameBeside(plan: PulledPlan, run: PulledRun): Promise<boolean> {
  const connections = await readers(nodesOf(plan, run), run.context)
  const answers = await Promise.all(connections.map((connection) => query(connection, UNTOUCHED)))
  return answers.every(({ rows }) => rows[0]?.[0] === 't')
}
