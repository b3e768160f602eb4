import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { query } from '../node-client.ts'
import { failedTransaction } from './transaction-errors.ts'

/** It takes a restart to change it. */
const preparing = new WeakMap<BackendConnection, boolean>()

/** All of them have room for prepared transactions. What fails is rolled back everywhere. */
export async function canPrepare(
  writers: readonly BackendConnection[],
  rollback: () => Promise<void>,
): Promise<boolean> {
  try {
    return (await Promise.all(writers.map(mayPrepare))).every(Boolean)
  } catch (error) {
    await rollback()
    throw error
  }
}

async function mayPrepare(writer: BackendConnection): Promise<boolean> {
  const known = preparing.get(writer)
  if (known !== undefined) return known
  const { rows } = await query(writer, 'SHOW max_prepared_transactions')
  const isPossible = rows[0]?.[0] !== '0'
  preparing.set(writer, isPossible)
  return isPossible
}

export type OnePhaseCommit = {
  /** In the order in which they commit. */
  readonly writers: readonly BackendConnection[]
  /** Of all. */
  readonly rollback: () => Promise<void>
  readonly log: Log
}

/**
 * COMMIT on one node after the other, for servers that can't prepare, where the operator has chosen so: nothing can be taken back
 * any more once the first has committed. What may refuse a commit is asked for before: deferred constraints.
 */
export async function commitOnePhase({ writers, rollback, log }: OnePhaseCommit): Promise<void> {
  const committed: number[] = []
  let hasBegun = false
  try {
    await Promise.all(writers.map((writer) => query(writer, 'SET CONSTRAINTS ALL IMMEDIATE')))
    hasBegun = true
    for (const writer of writers) {
      const { tag } = await query(writer, 'COMMIT')
      if (tag !== 'COMMIT') throw failedTransaction()
      committed.push(writer.node.nodeId)
    }
  } catch (error) {
    await rollback()
    const isKnown = !hasBegun || writers.every(({ state }) => state === 'ready')
    if (committed.length === 0 && isKnown) throw error
    log.error('a transaction was left half-committed', { committed, error })
    throw halfCommitted(committed, error)
  }
}

function halfCommitted(nodeIds: readonly number[], cause: unknown): RouterError {
  const known = nodeIds.length === 0 ? 'No node is known' : `Known to have: ${nodeIds.join(', ')}`
  return new RouterError(
    SqlState.transactionResolutionUnknown,
    'the transaction may have been committed on some of its nodes only',
    {
      detail: `${known}.`,
      hint: 'Check its effects. Set max_prepared_transactions on every node to have commits over several nodes atomic.',
      cause,
    },
  )
}
