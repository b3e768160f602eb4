import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError, ServerError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { quoteLiteral } from '../../planner/setting-values.ts'
import { query } from '../node-client.ts'
import type { ConnectionLender } from './connection-lender.ts'
import { commitFailure, onEach } from './participant-commit.ts'
import type { Participants } from './participants.ts'
import { IS_SPREAD, nameSpread, prepareSpread, spreadPrefix } from './spread-prepare.ts'
import { failedTransaction, gidInUse, gidTooLong, reservedGid } from './transaction-errors.ts'
import { GID_PREFIX, readClusterId } from './two-phase-commit.ts'

/** Not to be taken for one of ours, which recovery finishes. */
const CLIENT_PREFIX = 'pgloom:'
/** GIDSIZE of Postgres, its zero left out. */
const MAX_GID_BYTES = 199

const IN_USE = `SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts
  WHERE gid = $1 AND database = pg_catalog.current_database())`
const IN_USE_SPREAD = `SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts
  WHERE ${IS_SPREAD} AND database = pg_catalog.current_database())`
/** One PREPARE of a name at a time, in the whole cluster. The second key: that it is about this. */
const GATE = 'SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext($1), 1885826928)'

/**
 * A client's own PREPARE TRANSACTION. One that wrote on one node is prepared there, and nobody keeps where. Its name
 * on the coordinator is the client's, on other nodes one that is the cluster's own, so that clusters that share a server don't
 * meet. Recovery touches neither. For several nodes see spread-prepare.ts.
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
    const writers = await writersOf(gid, prepare)
    await prepare.check()
    await commitReaders(prepare, writers)
    isPrepared = await prepareWhileNobodyElse(gid, prepare, writers)
    return isPrepared
  } finally {
    if (!isPrepared) await participants.rollback()
  }
}

/** Of several the coordinator is always one, and the first. */
async function writersOf(gid: string, { participants, coordinator, lender }: ClientPrepare) {
  const isReserved = gid.startsWith(`${GID_PREFIX}_`) || gid.startsWith(CLIENT_PREFIX)
  if (isReserved) throw reservedGid(gid)
  const { writers } = participants
  if (writers.length === 1) return writers
  const first = await coordinator()
  const coordinatorId = lender.coordinator.nodeId
  return [first, ...writers.filter(({ node }) => node.nodeId !== coordinatorId)]
}

/** They have nothing that could be lost; from now on they are free. */
async function commitReaders(
  { participants }: ClientPrepare,
  writers: readonly BackendConnection[],
): Promise<void> {
  const readers = participants.connections.filter((connection) => !writers.includes(connection))
  const tags = await onEach(readers, 'COMMIT')
  if (tags.includes('ROLLBACK')) throw failedTransaction()
}

async function prepareWhileNobodyElse(
  gid: string,
  prepare: ClientPrepare,
  writers: readonly BackendConnection[],
): Promise<boolean> {
  const { lender } = prepare
  const [writer, ...others] = writers
  if (writer === undefined) throw new Error('somebody prepares')
  const coordinatorId = lender.coordinator.nodeId
  const gate = await lender.acquirePlain(coordinatorId)
  try {
    const clusterId = await readClusterId(gate)
    const spread = others.length === 0 ? undefined : nameSpread({ clusterId, gid })
    const own = spread?.name ?? clientGid(gid, clusterId, writer.node.nodeId === coordinatorId)
    if (Buffer.byteLength(own) > MAX_GID_BYTES) throw gidTooLong(gid)
    await query(gate, 'BEGIN')
    await query(gate, GATE, [gid])
    await refuseUsed(gid, clusterId, prepare, gate, spread === undefined ? writer : undefined)
    if (spread === undefined) return await prepareOn(writer, own, gid)
    await prepareSpread({ coordinator: writer, writers: others, clusterId, gid }, spread)
    return true
  } finally {
    if (gate.state === 'ready') await query(gate, 'ROLLBACK').catch(() => undefined)
    lender.giveBack(gate)
  }
}

/** `seen`: its own server sees to it. */
async function refuseUsed(
  gid: string,
  clusterId: string,
  prepare: ClientPrepare,
  gate: BackendConnection,
  seen: BackendConnection | undefined,
): Promise<void> {
  const { rows } = await query(gate, IN_USE_SPREAD, [gid, spreadPrefix(clusterId)])
  if (rows[0]?.[0] === 't') throw gidInUse(gid)
  for (const { nodeId } of prepare.catalog.nodes) {
    if (nodeId === seen?.node.nodeId) continue
    const isCoordinator = nodeId === gate.node.nodeId
    const name = clientGid(gid, clusterId, isCoordinator)
    if (await isInUse(prepare, isCoordinator ? gate : nodeId, name)) throw gidInUse(gid)
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
    const { tag } = await query(writer, `PREPARE TRANSACTION ${quoteLiteral(own)}`)
    return tag === 'PREPARE TRANSACTION'
  } catch (error) {
    if (error instanceof ServerError && error.sqlState === SqlState.duplicateObject) {
      throw gidInUse(gid)
    }
    throw error instanceof RouterError ? commitFailure(writer, error) : error
  }
}
