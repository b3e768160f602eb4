import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { quoteLiteral } from '../../planner/setting-values.ts'
import { query } from '../node-client.ts'
import { commitFailure } from './participant-commit.ts'
import { failedTransaction } from './transaction-errors.ts'
import { GID_PREFIX, gidOf } from './two-phase-commit.ts'

/**
 * A client's transaction that wrote on several nodes, while it is prepared:
 *
 *     a lock on the coordinator that names it     <- as long as it is held, recovery leaves the other parts alone
 *     PREPARE TRANSACTION on all but the coordinator, under names as those of our own commits
 *     PREPARE TRANSACTION on the coordinator      <- it is prepared; the name tells its parts and the client's own name
 *
 * What dies before the last step takes the lock with it: the parts are rolled back by recovery. The prepared part keeps the lock.
 */
const SPREAD_PREFIX = 'pgloom::'
const TRANSACTION_DIGITS = 32

/** The first key of the lock; the second is the start of the transaction's name. */
const LOCK_CLASS = 1_885_826_929

/** What the names of all such transactions on the coordinator begin with. */
export function spreadPrefix(clusterId: string): string {
  return `${SPREAD_PREFIX}${clusterId}:`
}

/** How long the rest before the client's own name is. */
export const SPREAD_REST = TRANSACTION_DIGITS + 1

/** The name of the transaction, whose parts are named by gidOf(); undefined: it has none elsewhere. */
export function spreadTransaction(gid: string, clusterId: string): string | undefined {
  const prefix = spreadPrefix(clusterId)
  const digits = gid.slice(prefix.length, prefix.length + TRANSACTION_DIGITS)
  if (!gid.startsWith(prefix) || !/^[0-9a-f]{32}$/.test(digits)) return undefined
  return `${GID_PREFIX}_${clusterId}_${digits}`
}

/** SQL over pg_prepared_xacts of the coordinator. $2: spreadPrefix(), $1: the client's name. */
export const IS_SPREAD = `(pg_catalog.starts_with(gid, $2) AND pg_catalog.substr(gid, pg_catalog.length($2) + ${SPREAD_REST + 1}) = $1)`

export type SpreadPrepare = {
  readonly coordinator: BackendConnection
  /** All other writers. */
  readonly writers: readonly BackendConnection[]
  readonly clusterId: string
  readonly gid: string
}

export type SpreadNames = { readonly transactionId: string; readonly name: string }

export function nameSpread({ clusterId, gid }: Pick<SpreadPrepare, 'clusterId' | 'gid'>) {
  const digits = randomBytes(TRANSACTION_DIGITS / 2).toString('hex')
  return {
    transactionId: `${GID_PREFIX}_${clusterId}_${digits}`,
    name: `${spreadPrefix(clusterId)}${digits}:${gid}`,
  }
}

/** When it throws, all that could be reached is rolled back, or, where the coordinator was lost, nobody can know (08007). */
export async function prepareSpread(
  { coordinator, writers }: SpreadPrepare,
  { transactionId, name }: SpreadNames,
): Promise<void> {
  await holdName(coordinator, transactionId)
  const results = await Promise.allSettled(
    writers.map((writer) =>
      query(writer, `PREPARE TRANSACTION '${gidOf(transactionId, writer.node.nodeId)}'`),
    ),
  )
  // a cancel that is still on its way must hit nothing that follows
  for (const writer of writers) if (writer.hasCancelInFlight) await writer.cancelsSettled()
  const prepared = writers.filter((_, index) => {
    const result = results[index]
    return result?.status === 'fulfilled' && result.value.tag === 'PREPARE TRANSACTION'
  })
  try {
    if (prepared.length < writers.length) throw reasonOf(results)
    await prepareCoordinator(coordinator, name)
  } catch (error) {
    // lost on the way: it may be prepared
    if (coordinator.state === 'ready') await giveUp(transactionId, coordinator, prepared)
    throw error
  }
}

async function holdName(coordinator: BackendConnection, transactionId: string): Promise<void> {
  const { rows } = await query(
    coordinator,
    `SELECT pg_catalog.pg_try_advisory_xact_lock_shared(${LOCK_CLASS}, ${lockKey(transactionId) | 0})`,
  )
  if (rows[0]?.[0] === 't') return
  throw new RouterError(SqlState.lockNotAvailable, 'could not lock the transaction to prepare it')
}

/** Somebody is preparing it, or has prepared it. */
export async function isHeld(decider: BackendConnection, transactionId: string): Promise<boolean> {
  const { rows } = await query(
    decider,
    `SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
       AND classid = ${LOCK_CLASS} AND objid::int8 = ${lockKey(transactionId)}
       AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
  )
  return rows.length > 0
}

/** Of two with one key both are held as long as one of them is. */
function lockKey(transactionId: string): number {
  const digits = transactionId.slice(transactionId.lastIndexOf('_') + 1)
  return Number.parseInt(digits.slice(0, 8), 16)
}

function reasonOf(results: readonly PromiseSettledResult<unknown>[]): unknown {
  const rejected = results.find((result) => result.status === 'rejected')
  return rejected === undefined ? failedTransaction() : rejected.reason
}

async function prepareCoordinator(coordinator: BackendConnection, name: string): Promise<void> {
  try {
    const { tag } = await query(coordinator, `PREPARE TRANSACTION ${quoteLiteral(name)}`)
    if (tag !== 'PREPARE TRANSACTION') throw failedTransaction()
  } catch (error) {
    throw error instanceof RouterError ? commitFailure(coordinator, error) : error
  }
}

/** Nobody has been told of it: the parts need no decision. What fails is left to recovery. */
async function giveUp(
  transactionId: string,
  coordinator: BackendConnection,
  prepared: readonly BackendConnection[],
): Promise<void> {
  const texts = prepared.map((writer) => {
    return query(writer, `ROLLBACK PREPARED '${gidOf(transactionId, writer.node.nodeId)}'`)
  })
  await Promise.allSettled([query(coordinator, 'ROLLBACK'), ...texts])
}
