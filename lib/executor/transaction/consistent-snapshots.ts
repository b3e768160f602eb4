import { setTimeout as pause } from 'node:timers/promises'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { query } from '../node-client.ts'
import { GID_PREFIX, parseGid, readClusterId } from './two-phase-commit.ts'

/** Commits in flight finish within milliseconds, those of a killed proxy when recovery comes by. */
const DEADLINE_MS = 30_000
const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 200
/** Whoever holds decisions up and then stops loses his hold; whoever waits to do so lets others by. */
const HOLD_LIMIT_MS = 5000
const PATIENCE_MS = 500

const HOLD = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${HOLD_LIMIT_MS}; SET LOCAL lock_timeout = ${PATIENCE_MS};
  SELECT pgloom.hold_decisions()`

export type SnapshotNodes = {
  /** Plain and idle, to the coordinator. */
  readonly gate: BackendConnection
  /** Outside of any transaction: of all nodes but the coordinator, which never prepares. */
  readonly others: readonly BackendConnection[]
  /** Each node's first query in a REPEATABLE READ transaction; until it has answered. */
  readonly snapshot: () => Promise<void>
  readonly signal: AbortSignal
}

/**
 * Snapshots of all nodes that each have all of a distributed commit or nothing of it.
 *
 * The decision row is where such a commit happens. Nobody can decide while we hold a SHARE lock on the table of decisions.
 * What was decided before is then found on the nodes either finished, and so seen by any snapshot taken from now on, or still
 * prepared: then we let go and try again. Committers pay nothing for it but the wait while somebody takes snapshots.
 */
export async function takeConsistentSnapshots(nodes: SnapshotNodes): Promise<void> {
  const { gate, others, snapshot, signal } = nodes
  const clusterId = await readClusterId(gate)
  const deadline = performance.now() + DEADLINE_MS
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted()
    if (await holdDecisions(gate)) {
      try {
        if (!(await isSomethingUnfinished(gate, others, clusterId))) {
          await snapshot()
          await letGo(gate)
          return
        }
        await letGo(gate)
      } catch (error) {
        if (gate.state === 'ready') await query(gate, 'ROLLBACK').catch(() => gate.close())
        throw error
      }
    }
    if (performance.now() > deadline) throw unfinished()
    await pause(pauseMs)
  }
}

/** false: somebody is deciding for longer than we care to make others wait. */
async function holdDecisions(gate: BackendConnection): Promise<boolean> {
  try {
    await query(gate, HOLD)
    return true
  } catch (error) {
    if (gate.state === 'ready') await query(gate, 'ROLLBACK')
    if (error instanceof RouterError && error.sqlState === SqlState.lockNotAvailable) return false
    throw error
  }
}

/** Throws when the hold was lost meanwhile: then the snapshots mean nothing. */
async function letGo(gate: BackendConnection): Promise<void> {
  const { tag } = await query(gate, 'COMMIT')
  if (tag !== 'COMMIT') throw unfinished()
}

async function isSomethingUnfinished(
  gate: BackendConnection,
  others: readonly BackendConnection[],
  clusterId: string,
): Promise<boolean> {
  const found = await Promise.all(others.map((connection) => preparedOn(connection, clusterId)))
  const ids = [...new Set(found.flat())]
  if (ids.length === 0) return false
  const { rows } = await query(
    gate,
    `SELECT 1 FROM pgloom.pg_dist_transaction WHERE decision = 'commit' AND transactionid = ANY ($1::text[]) LIMIT 1`,
    [`{${ids.join(',')}}`],
  )
  return rows.length > 0
}

/** A part that isn't listed any more is seen by every later snapshot: Postgres takes it off the list last. */
async function preparedOn(connection: BackendConnection, clusterId: string): Promise<string[]> {
  const { rows } = await query(
    connection,
    `SELECT gid FROM pg_catalog.pg_prepared_xacts
     WHERE database = pg_catalog.current_database() AND gid LIKE '${GID_PREFIX}\\_%'`,
  )
  return rows.flatMap(([gid = '']) => {
    const parsed = parseGid(gid)
    return parsed?.clusterId === clusterId ? [parsed.transactionId] : []
  })
}

function unfinished(): RouterError {
  return new RouterError(
    SqlState.lockNotAvailable,
    'could not take consistent snapshots: a distributed commit is not finished on all nodes',
    { hint: 'Retry, or SET pgloom.consistent_reads = off.' },
  )
}
