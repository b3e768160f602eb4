import { randomUUID } from 'node:crypto'
import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from './node-client.ts'

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
  /** A fresh coordinator connection outside any transaction; the caller of it releases it. */
  readonly withDecisionConnection: <T>(work: (c: BackendConnection) => Promise<T>) => Promise<T>
  readonly log: Log
}

export const GID_PREFIX = 'pgloom'

/** Distinguishes the transactions of proxies that share the nodes. */
const PROXY_ID = randomUUID().replaceAll('-', '')
let counter = 0

type Decision = 'commit' | 'abort'

/** Resolves when the outcome is commit. Throws, with everything rolled back, or 08007 when nobody can know yet. */
export async function commitTwoPhase(commit: TwoPhaseCommit): Promise<void> {
  counter += 1
  const transactionId = `${GID_PREFIX}_${PROXY_ID}_${counter}`
  await prepareAll(commit, transactionId)
  const decision = await decide(commit, transactionId)
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

/** The global transaction id on one node; recovery takes it apart again. */
export function gidOf(transactionId: string, nodeId: number): string {
  return `${transactionId}_${nodeId}`
}

/** Inverse of gidOf; undefined for a foreign gid. */
export function transactionIdOf(gid: string): string | undefined {
  return /^(pgloom_[0-9a-f]{32}_\d+)_\d+$/.exec(gid)?.[1]
}

async function prepareAll(commit: TwoPhaseCommit, transactionId: string): Promise<void> {
  const results = await Promise.allSettled(
    commit.writers.map((writer) =>
      query(writer, `PREPARE TRANSACTION '${gidOf(transactionId, writer.node.nodeId)}'`),
    ),
  )
  const isPrepared = results.map(
    (result) => result.status === 'fulfilled' && result.value.tag === 'PREPARE TRANSACTION',
  )
  if (isPrepared.every(Boolean)) return
  await rollbackPrepared(
    commit,
    transactionId,
    commit.writers.filter((_, index) => isPrepared[index]),
  )
  if (commit.coordinator !== undefined) await attempt(commit, commit.coordinator, 'ROLLBACK')
  throw prepareError(results)
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

async function decide(commit: TwoPhaseCommit, transactionId: string): Promise<Decision> {
  const { coordinator } = commit
  try {
    if (coordinator === undefined) {
      return await commit.withDecisionConnection((c) => record(c, transactionId, 'commit'))
    }
    const decision = await record(coordinator, transactionId, 'commit')
    if (decision === 'abort') {
      await attempt(commit, coordinator, 'ROLLBACK')
      return 'abort'
    }
    const { tag } = await query(coordinator, 'COMMIT')
    if (tag === 'COMMIT') return 'commit'
  } catch (error) {
    return await readBack(commit, transactionId, error)
  }
  return await readBack(commit, transactionId, undefined)
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
  if (commit.coordinator !== undefined) await attempt(commit, commit.coordinator, 'ROLLBACK')
  let decision: Decision
  try {
    decision = await commit.withDecisionConnection((c) => record(c, transactionId, 'abort'))
  } catch (error) {
    commit.log.error('transaction outcome unknown, left to recovery', { transactionId, error })
    throw outcomeUnknown(error)
  }
  if (decision === 'commit') return 'commit'
  await rollbackPrepared(commit, transactionId, commit.writers)
  if (cause !== undefined) throw cause
  return 'abort'
}

async function record(
  connection: BackendConnection,
  transactionId: string,
  decision: Decision,
): Promise<Decision> {
  const { rows } = await query(connection, 'SELECT pgloom.decide($1, $2)', [
    transactionId,
    decision,
  ])
  return rows[0]?.[0] === 'commit' ? 'commit' : 'abort'
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
