import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError, ServerError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import { quoteLiteral } from '../../planner/setting-values.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'
import { query } from '../node-client.ts'
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
/**
 * One PREPARE of a name at a time, in the whole cluster. The second key: that it is about this. The coordinator's session holds it,
 * not the transaction, which would keep it for as long as it is prepared.
 */
const KEYS = '(pg_catalog.hashtext($1), 1885826928)'
const CLOSE_GATE = `SELECT pg_catalog.pg_advisory_lock${KEYS}`
const OPEN_GATE = `SELECT pg_catalog.pg_advisory_unlock${KEYS}`

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
  readonly catalog: Catalog
  /** The block's connection to a node, which takes part from now on if it did not. */
  readonly join: (nodeId: number, access: 'write' | 'setting') => Promise<BackendConnection>
  /** What may still refuse. */
  readonly check: () => Promise<void>
}

/** What is prepared, and where: all connections that are needed, so that nothing is waited for once others wait for it. */
type Prepared = {
  readonly gid: string
  readonly coordinator: BackendConnection
  /** The coordinator first, if it is one. */
  readonly writers: readonly BackendConnection[]
  readonly all: readonly BackendConnection[]
}

/** false: it had failed unseen. Then, and when this throws, it is rolled back everywhere. */
export async function prepareForClient(gid: string, prepare: ClientPrepare): Promise<boolean> {
  const { participants } = prepare
  let isPrepared = false
  let coordinator: BackendConnection | undefined
  try {
    await participants.settleCancels()
    const isReserved = gid.startsWith(`${GID_PREFIX}_`) || gid.startsWith(CLIENT_PREFIX)
    if (isReserved) throw reservedGid(gid)
    const parts = await takeParts(gid, prepare)
    if (parts.all.some(hasFailed)) return false
    await prepare.check()
    coordinator = parts.coordinator
    await query(coordinator, CLOSE_GATE, [gid])
    isPrepared = await prepareAtGate(parts, prepare)
    return isPrepared
  } finally {
    if (!isPrepared) await participants.rollback()
    if (coordinator?.state === 'ready') await openGate(coordinator, gid)
  }
}

/** All nodes take part, in their order. Where one has written, it is the only writer; else the coordinator is one. */
async function takeParts(
  gid: string,
  { participants, catalog, join }: ClientPrepare,
): Promise<Prepared> {
  const { nodeId: coordinatorId } = coordinatorOf(catalog)
  const isSpread = participants.writers.length !== 1
  for (const nodeId of catalog.nodes.map((node) => node.nodeId).sort((a, b) => a - b)) {
    await join(nodeId, isSpread && nodeId === coordinatorId ? 'write' : 'setting')
  }
  const coordinator = participants.find(coordinatorId)
  if (coordinator === undefined) throw new Error('the coordinator takes part')
  const { writers, connections: all } = participants
  const others = writers.filter((writer) => writer !== coordinator)
  const isWriter = others.length < writers.length
  return { gid, coordinator, writers: isWriter ? [coordinator, ...others] : others, all }
}

function hasFailed({ transactionStatus }: BackendConnection): boolean {
  return transactionStatus === TransactionStatus.failed
}

/** A session that might keep the lock is nobody's. */
async function openGate(coordinator: BackendConnection, gid: string): Promise<void> {
  try {
    await query(coordinator, OPEN_GATE, [gid])
  } catch {
    coordinator.close()
  }
}

async function prepareAtGate(parts: Prepared, prepare: ClientPrepare): Promise<boolean> {
  const { gid, coordinator, writers } = parts
  const [writer, ...others] = writers
  if (writer === undefined) throw new Error('somebody prepares')
  const clusterId = await readClusterId(coordinator)
  const spread = others.length === 0 ? undefined : nameSpread({ clusterId, gid })
  const own = spread?.name ?? clientGid(gid, clusterId, writer === coordinator)
  if (Buffer.byteLength(own) > MAX_GID_BYTES) throw gidTooLong(gid)
  await refuseUsed(parts, clusterId, spread === undefined ? writer : undefined)
  await commitReaders(prepare, writers)
  if (spread === undefined) return await prepareOn(writer, own, gid)
  await prepareSpread({ coordinator, writers: others, clusterId, gid }, spread)
  return true
}

/** `seen`: its own server sees to it. */
async function refuseUsed(
  { gid, coordinator, all }: Prepared,
  clusterId: string,
  seen: BackendConnection | undefined,
): Promise<void> {
  const { rows } = await query(coordinator, IN_USE_SPREAD, [gid, spreadPrefix(clusterId)])
  if (rows[0]?.[0] === 't') throw gidInUse(gid)
  const asked = all.filter((connection) => connection !== seen)
  const answers = await Promise.allSettled(
    asked.map((connection) =>
      query(connection, IN_USE, [clientGid(gid, clusterId, connection === coordinator)]),
    ),
  )
  for (const answer of answers) {
    if (answer.status === 'rejected') throw answer.reason
    if (answer.value.rows[0]?.[0] === 't') throw gidInUse(gid)
  }
}

/** They have nothing that could be lost. */
async function commitReaders(
  { participants }: ClientPrepare,
  writers: readonly BackendConnection[],
): Promise<void> {
  const readers = participants.connections.filter((connection) => !writers.includes(connection))
  const tags = await onEach(readers, 'COMMIT')
  if (tags.includes('ROLLBACK')) throw failedTransaction()
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
