import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError, ServerError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { query } from '../node-client.ts'
import type { ConnectionLender } from './connection-lender.ts'
import { commitFailure, onEach } from './participant-commit.ts'
import type { Participants } from './participants.ts'
import {
  failedTransaction,
  gidInUse,
  gidTooLong,
  preparedOnSeveralNodes,
  reservedGid,
} from './transaction-errors.ts'
import { GID_PREFIX, readClusterId } from './two-phase-commit.ts'

/** Not to be taken for one of ours, which recovery finishes. */
const CLIENT_PREFIX = 'pgloom:'
/** GIDSIZE of Postgres, its zero left out. */
const MAX_GID_BYTES = 199

const IN_USE = `SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts
  WHERE gid = $1 AND database = pg_catalog.current_database())`
/** One PREPARE of a name at a time, in the whole cluster. The second key: that it is about this. */
const GATE = 'SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext($1), 1885826928)'

/**
 * A client's own PREPARE TRANSACTION, of a transaction that wrote on one node: it is prepared there, and nobody keeps where. Its name
 * on the coordinator is the client's, on other nodes one that is the cluster's own, so that clusters that share a server don't
 * meet. Recovery touches neither.
 */
export function clientGid(gid: string, clusterId: string, isCoordinator: boolean): string {
  return isCoordinator ? gid : `${CLIENT_PREFIX}${clusterId}:${gid}`
}

export type ClientPrepare = {
  readonly participants: Participants
  readonly lender: ConnectionLender
  readonly catalog: Catalog
  /** The coordinator's connection, which takes part from now on if it did not. */
  readonly coordinator: () => Promise<BackendConnection>
  /** What may still refuse. */
  readonly check: () => Promise<void>
}

/** false: it had failed unseen. Then, and when this throws, it is rolled back everywhere. */
export async function prepareForClient(gid: string, prepare: ClientPrepare): Promise<boolean> {
  const { participants } = prepare
  let isPrepared = false
  try {
    await participants.settleCancels()
    const writer = await soleWriter(gid, prepare)
    await prepare.check()
    await commitReaders(prepare, writer)
    isPrepared = await prepareWhileNobodyElse(gid, prepare, writer)
    return isPrepared
  } finally {
    if (!isPrepared) await participants.rollback()
  }
}

async function soleWriter(gid: string, { participants, coordinator }: ClientPrepare) {
  const isReserved = gid.startsWith(`${GID_PREFIX}_`) || gid.startsWith(CLIENT_PREFIX)
  if (isReserved) throw reservedGid(gid)
  const [writer, another] = participants.writers
  if (another !== undefined) throw preparedOnSeveralNodes()
  return writer ?? (await coordinator())
}

/** They have nothing that could be lost; from now on they are free. */
async function commitReaders({ participants }: ClientPrepare, writer: BackendConnection) {
  const readers = participants.connections.filter((connection) => connection !== writer)
  const tags = await onEach(readers, 'COMMIT')
  if (tags.includes('ROLLBACK')) throw failedTransaction()
}

async function prepareWhileNobodyElse(
  gid: string,
  prepare: ClientPrepare,
  writer: BackendConnection,
): Promise<boolean> {
  const { lender } = prepare
  const coordinatorId = lender.coordinator.nodeId
  const gate = await lender.acquirePlain(coordinatorId)
  try {
    const clusterId = await readClusterId(gate)
    const own = clientGid(gid, clusterId, writer.node.nodeId === coordinatorId)
    if (Buffer.byteLength(own) > MAX_GID_BYTES) throw gidTooLong(gid)
    await query(gate, 'BEGIN')
    await query(gate, GATE, [gid])
    for (const { nodeId } of prepare.catalog.nodes) {
      // its own server sees to it
      if (nodeId === writer.node.nodeId) continue
      const name = clientGid(gid, clusterId, nodeId === coordinatorId)
      if (await isInUse(prepare, nodeId === coordinatorId ? gate : nodeId, name)) {
        throw gidInUse(gid)
      }
    }
    return await prepareOn(writer, own, gid)
  } finally {
    if (gate.state === 'ready') await query(gate, 'ROLLBACK').catch(() => undefined)
    lender.giveBack(gate)
  }
}

async function isInUse(
  { participants, lender }: ClientPrepare,
  where: BackendConnection | number,
  name: string,
): Promise<boolean> {
  const known = typeof where === 'number' ? participants.find(where) : where
  if (known !== undefined) return (await query(known, IN_USE, [name])).rows[0]?.[0] === 't'
  const connection = await lender.acquirePlain(Number(where))
  try {
    return (await query(connection, IN_USE, [name])).rows[0]?.[0] === 't'
  } finally {
    lender.giveBack(connection)
  }
}

async function prepareOn(writer: BackendConnection, own: string, gid: string): Promise<boolean> {
  try {
    const { tag } = await query(writer, `PREPARE TRANSACTION '${own.replaceAll("'", "''")}'`)
    return tag === 'PREPARE TRANSACTION'
  } catch (error) {
    if (error instanceof ServerError && error.sqlState === SqlState.duplicateObject) {
      throw gidInUse(gid)
    }
    throw error instanceof RouterError ? commitFailure(writer, error) : error
  }
}
