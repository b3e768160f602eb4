import { setTimeout as pause } from 'node:timers/promises'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { BackendLost, RouterError, ServerError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { quoteLiteral } from '../../planner/setting-values.ts'
import { query } from '../node-client.ts'
import { type Decision, decide, gidOf } from './two-phase-commit.ts'

const MAX_TRIES = 40
const PAUSE_MS = 25

export type FinishSpread = {
  readonly coordinator: BackendConnection
  /** On the coordinator. */
  readonly gid: string
  readonly transactionId: string
  readonly decision: Decision
  readonly nodeIds: readonly number[]
  readonly connection: (nodeId: number) => Promise<BackendConnection>
  readonly log: Log
}

/**
 * The coordinator's part is finished once it is decided how, and before all others: a consistent read waits for as long as one of
 * these is left, and so is sure to see it. Recovery does the same. false: somebody has decided otherwise.
 */
export async function finishSpread(finish: FinishSpread): Promise<boolean> {
  const { coordinator, gid, transactionId, decision, nodeIds } = finish
  if ((await decideFor(coordinator, transactionId, decision)) !== decision) return false
  try {
    await finishPart(coordinator, verbOf(decision), gid)
  } catch (error) {
    throw leftToRecovery(decision, error)
  }
  await Promise.all(
    nodeIds.map(async (nodeId) => {
      try {
        const connection = await finish.connection(nodeId)
        const own = gidOf(transactionId, nodeId)
        const { rows } = await query(
          connection,
          'SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE gid = $1',
          [own],
        )
        if (rows.length > 0) await finishPart(connection, verbOf(decision), own)
      } catch (error) {
        finish.log.warn('a prepared part is left to recovery', { nodeId, transactionId, error })
      }
    }),
  )
  return true
}

async function decideFor(
  coordinator: BackendConnection,
  transactionId: string,
  decision: Decision,
): Promise<Decision> {
  try {
    return await decide(coordinator, transactionId, decision)
  } catch (error) {
    throw error instanceof RouterError ? finishFailure(coordinator, error) : error
  }
}

/** What is known of a prepared transaction after the command that should finish it has failed. */
export function finishFailure(connection: BackendConnection, error: RouterError): RouterError {
  const isKnown = connection.state === 'ready' || (error instanceof BackendLost && !error.sent)
  if (isKnown) return error
  return new RouterError(
    SqlState.transactionResolutionUnknown,
    'the server was lost while it finished the prepared transaction',
    {
      detail: error.message,
      hint: 'See pg_prepared_xacts: what is still there can be finished.',
      cause: error,
    },
  )
}

/** It can't be taken back any more, whatever has stopped us. */
function leftToRecovery(decision: Decision, cause: unknown): RouterError {
  return new RouterError(
    SqlState.transactionResolutionUnknown,
    `the prepared transaction is not finished yet, but it is decided that it will be ${decision === 'commit' ? 'committed' : 'rolled back'}`,
    {
      detail: cause instanceof Error ? cause.message : String(cause),
      hint: 'Nothing needs to be done: recovery finishes it within seconds.',
    },
  )
}

export function verbOf(decision: Decision): string {
  return decision === 'commit' ? 'COMMIT PREPARED' : 'ROLLBACK PREPARED'
}

/** Who comes later finds it done, as it was decided; who comes together with another waits for it. */
async function finishPart(connection: BackendConnection, verb: string, gid: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await query(connection, `${verb} ${quoteLiteral(gid)}`)
      return
    } catch (error) {
      const sqlState = error instanceof ServerError ? error.sqlState : undefined
      if (sqlState === SqlState.undefinedObject) return
      if (sqlState !== SqlState.objectNotInPrerequisiteState || tries === MAX_TRIES) throw error
      await pause(PAUSE_MS)
    }
  }
}
