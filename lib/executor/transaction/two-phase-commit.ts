import { createHash, randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { quoteLiteral } from '../../planner/setting-values.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'
import { query } from '../node-client.ts'

/**
 * Atomic commit over several nodes.
 *
 *     PREPARE TRANSACTION on every writer but the coordinator
 *         |  any failure: ROLLBACK (PREPARED) everywhere
 *     decision row 'commit' on the coordinator  <- the commit point; first writer wins (pgloom.decide)
 *         |  carried by the coordinator's own transaction when it wrote, so it never needs to prepare
 *     COMMIT PREPARED everywhere                <- failures here are left to recovery: the outcome is decided
 *
 * A recovering proxy (control/transaction-recovery) writes the decision 'abort' before it rolls a prepared
 * transaction back; so a slow proxy and a recoverer can never disagree.
 */
export type TwoPhaseCommit = {
  /** Nodes that wrote, without the coordinator. Each is inside an open, not failed transaction. */
  readonly writers: readonly BackendConnection[]
  /** The coordinator's connection, inside the same transaction, if it wrote; else undefined. */
  readonly coordinator: BackendConnection | undefined
  /**
   * An idle coordinator connection outside any transaction with the server's own settings, for the decision when
   * the coordinator didn't write. Taken beforehand: once nodes are prepared, waiting for one could deadlock.
   */
  readonly decider: BackendConnection | undefined
  /** Another one, when the first one's fate is unknown. */
  readonly withDecisionConnection: <T>(work: (c: BackendConnection) => Promise<T>) => Promise<T>
  /** Parts are being prepared under this name: until this is called again, without one, that may be cancelled. */
  readonly preparing?: (transactionId: string | undefined) => void
  readonly log: Log
}

export const GID_PREFIX = 'pgloom'

export type Decision = 'commit' | 'abort'

/**
 * A proxy that was held up for longer between its first PREPARE and its decision gives up. Recovery deletes 'abort'
 * decisions only after a multiple of this, so that a late 'commit' can't slip in behind one.
 */
export const DECISION_DEADLINE_MS = 5 * 60_000

const GID = /^(pgloom_([0-9a-f]{12})_[0-9a-f]{32})_\d+$/

/** By connection: what is behind an address may be replaced, behind a connection it can't. */
const clusterIds = new WeakMap<BackendConnection, string>()

/** Resolves when the outcome is commit. Throws, with everything rolled back, or 08007 when nobody can know yet. */
export async function commitTwoPhase(commit: TwoPhaseCommit): Promise<void> {
  const startedMs = performance.now()
  const transactionId = await nameTransaction(commit)
  await prepareAll(commit, transactionId)
  if (performance.now() - startedMs > DECISION_DEADLINE_MS) {
    await rollbackAll(commit, transactionId, commit.writers)
    throw new RouterError(SqlState.serializationFailure, 'preparing the transaction took too long')
  }
  const decision = await decideCommit(commit, transactionId)
  if (decision === 'abort') {
    await rollbackPrepared(commit, transactionId, commit.writers)
    throw new RouterError(
      SqlState.serializationFailure,
      'transaction was rolled back by recovery before it could commit',
      { hint: 'Retry the transaction.' },
    )
  }
  await commitPrepared(commit, transactionId)
}

async function nameTransaction(commit: TwoPhaseCommit): Promise<string> {
  try {
    const clusterId = await readClusterId(requireDecider(commit))
    // not to be guessed: any role may call pgloom.decide
    return `${GID_PREFIX}_${clusterId}_${randomBytes(16).toString('hex')}`
  } catch (error) {
    await Promise.all(commit.writers.map((writer) => attempt(commit, writer, 'ROLLBACK')))
    await rollbackAll(commit, '', [])
    throw error
  }
}

function requireDecider({ coordinator, decider }: TwoPhaseCommit): BackendConnection {
  const connection = coordinator ?? decider
  if (connection === undefined) throw new Error('no coordinator connection to decide on')
  return connection
}

/**
 * Names the cluster, which is the coordinator's database, so that clusters that share a worker leave each other's
 * prepared transactions alone. It survives a fail-over and a rename, unlike a host or a database name.
 */
export async function readClusterId(coordinator: BackendConnection): Promise<string> {
  const known = clusterIds.get(coordinator)
  if (known !== undefined) return known
  const { rows } = await query(
    coordinator,
    `SELECT s.system_identifier, d.oid FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
     WHERE d.datname = pg_catalog.current_database()`,
  )
  const [systemIdentifier, databaseOid] = rows[0] ?? []
  const clusterId = createHash('sha256')
    .update(`${systemIdentifier}/${databaseOid}`)
    .digest('hex')
    .slice(0, 12)
  clusterIds.set(coordinator, clusterId)
  return clusterId
}

/** The global transaction id on one node; recovery takes it apart again. */
export function gidOf(transactionId: string, nodeId: number): string {
  return `${transactionId}_${nodeId}`
}

/** Inverse of gidOf; undefined for a gid that isn't ours. */
export function parseGid(gid: string): { transactionId: string; clusterId: string } | undefined {
  const [, transactionId, clusterId] = GID.exec(gid) ?? []
  if (transactionId === undefined || clusterId === undefined) return undefined
  return { transactionId, clusterId }
}

async function prepareAll(commit: TwoPhaseCommit, transactionId: string): Promise<void> {
  commit.preparing?.(transactionId)
  const results = await Promise.allSettled(
    commit.writers.map((writer) =>
      query(writer, `PREPARE TRANSACTION '${gidOf(transactionId, writer.node.nodeId)}'`),
    ),
  )
  commit.preparing?.(undefined)
  // a cancel that is still on its way must hit nothing that follows
  for (const writer of commit.writers) {
    if (writer.hasCancelInFlight) await writer.cancelsSettled()
  }
  const isPrepared = results.map(
    (result) => result.status === 'fulfilled' && result.value.tag === 'PREPARE TRANSACTION',
  )
  if (isPrepared.every(Boolean)) return
  await rollbackAll(
    commit,
    transactionId,
    commit.writers.filter((_, index) => isPrepared[index]),
  )
  throw prepareError(results)
}

/** Before any decision: nobody else asks for 'commit', so rolling back needs no row. */
async function rollbackAll(
  commit: TwoPhaseCommit,
  transactionId: string,
  prepared: readonly BackendConnection[],
): Promise<void> {
  await rollbackPrepared(commit, transactionId, prepared)
  if (commit.coordinator !== undefined) await attempt(commit, commit.coordinator, 'ROLLBACK')
}

function prepareError(results: readonly PromiseSettledResult<unknown>[]): unknown {
  const rejected = results.find((result) => result.status === 'rejected')
  if (rejected === undefined) {
    return new RouterError(
      SqlState.inFailedSqlTransaction,
      'a node had already aborted its part of the transaction',
    )
  }
  const reason: unknown = rejected.reason
  if (!(reason instanceof RouterError)) return reason
  if (reason.sqlState !== SqlState.objectNotInPrerequisiteState) return reason
  return new RouterError(reason.sqlState, `cannot commit on several nodes: ${reason.message}`, {
    hint: 'Set max_prepared_transactions to at least max_connections on every node and restart it.',
    cause: reason,
  })
}

async function decideCommit(commit: TwoPhaseCommit, transactionId: string): Promise<Decision> {
  const { coordinator } = commit
  try {
    if (coordinator === undefined) {
      return await decide(requireDecider(commit), transactionId, 'commit')
    }
    const { tag } = await query(coordinator, decideAndCommit(transactionId))
    if (tag === 'COMMIT') return 'commit'
  } catch (error) {
    if (coordinator !== undefined && isRefused(coordinator, error)) {
      await attempt(commit, coordinator, 'ROLLBACK')
      return 'abort'
    }
    return await readBack(commit, transactionId, error)
  }
  return await readBack(commit, transactionId, undefined)
}

/** One message: where 'abort' is in force already, the division fails, and the COMMIT is not carried out. */
function decideAndCommit(transactionId: string): string {
  return `SELECT 1 OPERATOR(pg_catalog./) (pgloom.decide('${transactionId}', 'commit') OPERATOR(pg_catalog.=) 'commit')::pg_catalog.int4; COMMIT`
}

/** Before the COMMIT: else the coordinator would stand outside of the transaction. */
function isRefused({ transactionStatus }: BackendConnection, error: unknown): boolean {
  const isDivision = error instanceof RouterError && error.sqlState === SqlState.divisionByZero
  return isDivision && transactionStatus === TransactionStatus.failed
}

/**
 * The decision's own outcome is unknown or it failed: whoever asks for 'abort' now learns, for good, what is in
 * force (an insert that is still in doubt is waited for). On abort everything is rolled back and `cause` is thrown.
 */
async function readBack(
  commit: TwoPhaseCommit,
  transactionId: string,
  cause: unknown,
): Promise<Decision> {
  // an open transaction of ours would hold the row, and the question would wait for it
  commit.coordinator?.close()
  let decision: Decision
  try {
    decision = await commit.withDecisionConnection((c) => decide(c, transactionId, 'abort'))
  } catch (error) {
    commit.log.error('transaction outcome unknown, left to recovery', { transactionId, error })
    throw outcomeUnknown(error)
  }
  if (decision === 'commit') return 'commit'
  await rollbackPrepared(commit, transactionId, commit.writers)
  if (cause !== undefined) throw cause
  return 'abort'
}

/** What is in force after asking for `decision`, for good. Outside of any transaction. */
export async function decide(
  coordinator: BackendConnection,
  transactionId: string,
  decision: Decision,
): Promise<Decision> {
  // one message, one transaction: a role's or a database's default may be READ ONLY
  const call = `pgloom.decide(${quoteLiteral(transactionId)}, '${decision}')`
  const { rows } = await query(coordinator, `SET TRANSACTION READ WRITE; SELECT ${call}`)
  const inForce = rows[0]?.[0]
  if (inForce === 'commit' || inForce === 'abort') return inForce
  throw new RouterError(SqlState.internalError, 'the coordinator gave no decision')
}

async function commitPrepared(commit: TwoPhaseCommit, transactionId: string): Promise<void> {
  await Promise.all(
    commit.writers.map((writer) =>
      attempt(commit, writer, `COMMIT PREPARED '${gidOf(transactionId, writer.node.nodeId)}'`),
    ),
  )
}

async function rollbackPrepared(
  commit: TwoPhaseCommit,
  transactionId: string,
  prepared: readonly BackendConnection[],
): Promise<void> {
  await Promise.all(
    prepared.map((writer) =>
      attempt(commit, writer, `ROLLBACK PREPARED '${gidOf(transactionId, writer.node.nodeId)}'`),
    ),
  )
}

/** Failure is logged and left to recovery: the outcome does not depend on it. */
async function attempt(
  { log }: TwoPhaseCommit,
  connection: BackendConnection,
  text: string,
): Promise<void> {
  try {
    await query(connection, text)
  } catch (error) {
    log.warn('left to recovery', { node: connection.node.nodeId, text, error })
  }
}

function outcomeUnknown(cause: unknown): RouterError {
  return new RouterError(
    SqlState.transactionResolutionUnknown,
    'the outcome of the transaction is unknown: the coordinator was lost while it committed',
    { hint: 'Recovery finishes it on all nodes alike; check its effects before you retry.', cause },
  )
}
