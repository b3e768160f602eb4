import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { query } from '../executor/node-client.ts'
import { clientGid } from '../executor/transaction/client-prepare.ts'
import { readClusterId } from '../executor/transaction/two-phase-commit.ts'
import type { SessionParts } from './session-parts.ts'

export type FinishPrepared = { readonly commits: boolean; readonly gid: string }

const FIND = `SELECT true FROM pg_catalog.pg_prepared_xacts
  WHERE gid = $1 AND database = pg_catalog.current_database()`

type Found = { readonly connection: BackendConnection; readonly gid: string }

/**
 * COMMIT PREPARED and ROLLBACK PREPARED of what any client has prepared through any proxy: the servers themselves know which of them
 * holds it. Returns the command tag.
 */
export async function finishPrepared(
  { commits, gid }: FinishPrepared,
  parts: SessionParts,
): Promise<string> {
  const tag = commits ? 'COMMIT PREPARED' : 'ROLLBACK PREPARED'
  if (parts.transaction.isInBlock) {
    throw new RouterError(
      SqlState.activeSqlTransaction,
      `${tag} cannot run inside a transaction block`,
    )
  }
  const { connection, gid: own } = await find(gid, parts)
  await finish(connection, `${tag} '${own.replaceAll("'", "''")}'`, gid)
  // it may have created tables
  if (connection.node.nodeId === coordinatorOf(parts.catalogs.current()).nodeId) {
    parts.catalogs.noteChange()
  }
  return tag
}

async function find(gid: string, parts: SessionParts): Promise<Found> {
  const { transaction, catalogs, signal } = parts
  const { nodes } = catalogs.current()
  const { nodeId: coordinatorId } = coordinatorOf(catalogs.current())
  const clusterId = await readClusterId(
    await transaction.connection(coordinatorId, 'read', signal()),
  )
  const answers = await Promise.allSettled(
    nodes.map(async ({ nodeId }): Promise<Found | undefined> => {
      const connection = await transaction.connection(nodeId, 'read', signal())
      const own = clientGid(gid, clusterId, nodeId === coordinatorId)
      const { rows } = await query(connection, FIND, [own])
      return rows.length > 0 ? { connection, gid: own } : undefined
    }),
  )
  const found = answers.flatMap((answer) =>
    answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value] : [],
  )
  const [only, another] = found
  if (only !== undefined && another === undefined) return only
  if (another !== undefined) throw ambiguous(gid)
  // whoever was not to be asked may hold it
  const failed = answers.find((answer) => answer.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  throw unknown(gid)
}

async function finish(connection: BackendConnection, text: string, gid: string): Promise<void> {
  try {
    await query(connection, text)
  } catch (error) {
    // somebody else has just finished it
    if (error instanceof ServerError && error.sqlState === SqlState.undefinedObject) {
      throw unknown(gid)
    }
    throw error
  }
}

/** Postgres' words. */
function unknown(gid: string): RouterError {
  return new RouterError(
    SqlState.undefinedObject,
    `prepared transaction with identifier "${gid}" does not exist`,
  )
}

function ambiguous(gid: string): RouterError {
  return new RouterError(
    SqlState.duplicateObject,
    `prepared transaction with identifier "${gid}" exists on several nodes`,
    { hint: 'Finish them on the nodes themselves.' },
  )
}
