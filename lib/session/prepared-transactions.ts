import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { query } from '../executor/node-client.ts'
import { clientGid } from '../executor/transaction/client-prepare.ts'
import { finishFailure, finishSpread } from '../executor/transaction/finish-spread.ts'
import {
  IS_SPREAD,
  spreadPrefix,
  spreadTransaction,
} from '../executor/transaction/spread-prepare.ts'
import { readClusterId } from '../executor/transaction/two-phase-commit.ts'
import { quoteLiteral } from '../planner/setting-values.ts'
import type { SessionParts } from './session-parts.ts'

export type FinishPrepared = { readonly commits: boolean; readonly gid: string }

const FIND = `SELECT gid FROM pg_catalog.pg_prepared_xacts
  WHERE (gid = $3 OR ${IS_SPREAD}) AND database = pg_catalog.current_database()`

/** As COMMIT PREPARED would say, but before anything is decided. */
const MAY_FINISH = `SELECT p.owner = current_user OR r.rolsuper FROM pg_catalog.pg_prepared_xacts p, pg_catalog.pg_roles r
  WHERE p.gid = $1 AND r.rolname = current_user`

type Found = {
  readonly connection: BackendConnection
  readonly gid: string
  /** Of the parts on other nodes. */
  readonly transactionId: string | undefined
}

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
  const found = await find(gid, parts)
  const { connection, gid: own, transactionId } = found
  if (transactionId !== undefined) {
    await finishAll({ ...found, transactionId }, { commits, gid }, parts)
  } else await finish(connection, `${tag} ${quoteLiteral(own)}`, gid)
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
  const asked: Promise<readonly Found[]>[] = []
  // in the order of the nodes, as all who wait for pools
  for (const nodeId of nodes.map((node) => node.nodeId).sort((a, b) => a - b)) {
    const connection = transaction.connection(nodeId, 'read', signal())
    const answer = connection.then((one) => findOn(one, gid, clusterId, nodeId === coordinatorId))
    answer.catch(() => undefined)
    asked.push(answer)
    await connection.catch(() => undefined)
  }
  const answers = await Promise.allSettled(asked)
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  const [only, another] = found
  if (only !== undefined && another === undefined) return only
  if (another !== undefined) throw ambiguous(gid)
  // whoever was not to be asked may hold it
  const failed = answers.find((answer) => answer.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  throw unknown(gid)
}

async function findOn(
  connection: BackendConnection,
  gid: string,
  clusterId: string,
  isCoordinator: boolean,
): Promise<readonly Found[]> {
  const own = clientGid(gid, clusterId, isCoordinator)
  const { rows } = await query(connection, FIND, [gid, spreadPrefix(clusterId), own])
  return rows.map(([name = '']) => {
    const transactionId = isCoordinator ? spreadTransaction(name, clusterId) : undefined
    return { connection, gid: name, transactionId }
  })
}

async function finishAll(
  { connection, gid: name, transactionId }: Found & { readonly transactionId: string },
  { commits, gid }: FinishPrepared,
  { transaction, catalogs, signal, log }: SessionParts,
): Promise<void> {
  const { rows } = await query(connection, MAY_FINISH, [name])
  if (rows.length === 0) throw unknown(gid)
  if (rows[0]?.[0] !== 't') throw notAllowed()
  const { nodes } = catalogs.current()
  const others = nodes.filter(({ nodeId }) => nodeId !== connection.node.nodeId)
  const isOurs = await transaction.decide(async () => {
    signal().throwIfAborted()
    return await finishSpread({
      coordinator: connection,
      gid: name,
      transactionId,
      decision: commits ? 'commit' : 'abort',
      nodeIds: others.map(({ nodeId }) => nodeId),
      connection: (nodeId) => transaction.connection(nodeId, 'read', signal()),
      log,
    })
  })
  // somebody is finishing it in the other way
  if (!isOurs) throw unknown(gid)
}

async function finish(connection: BackendConnection, text: string, gid: string): Promise<void> {
  try {
    await query(connection, text)
  } catch (error) {
    // somebody else has just finished it
    if (error instanceof ServerError && error.sqlState === SqlState.undefinedObject) {
      throw unknown(gid)
    }
    throw error instanceof RouterError ? finishFailure(connection, error) : error
  }
}

/** Postgres' words. */
function unknown(gid: string): RouterError {
  return new RouterError(
    SqlState.undefinedObject,
    `prepared transaction with identifier "${gid}" does not exist`,
  )
}

/** Postgres' words. */
function notAllowed(): RouterError {
  return new RouterError(
    SqlState.insufficientPrivilege,
    'permission denied to finish prepared transaction',
    { hint: 'Must be superuser or the user that prepared the transaction.' },
  )
}

function ambiguous(gid: string): RouterError {
  return new RouterError(
    SqlState.duplicateObject,
    `prepared transaction with identifier "${gid}" exists on several nodes`,
    { hint: 'Finish them on the nodes themselves.' },
  )
}
