import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { DistributedTable, ReferenceTable, Shard } from '../../../catalog/catalog.ts'
import type { MirroredTable } from '../../../planner/write/write-plans.ts'
import { interruptible } from '../../interruptible.ts'
import { query } from '../../node-client.ts'
import { type Filling, fill } from '../../pull/pulled.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { copiedColumns, shardName } from '../distribute-rows.ts'
import { shardIndex } from './changes.ts'
import { identityOf, SHARD_COLUMN } from './identity.ts'
import { shipRows } from './node-rows.ts'
import { allColumns, type ProposedRows } from './proposed-rows.ts'
import { isWithinShard, mayMeet, type UniqueIndex } from './unique-indexes.ts'

export type Meeting = {
  readonly filling: Filling
  readonly indexes: readonly UniqueIndex[]
  readonly proposed: ProposedRows
}

type Rows = { readonly name: string; readonly oid: number }

/** The rows that the proposed ones may meet, into the mirror. None are proposed at first. */
export async function bringMet(
  coordinator: BackendConnection,
  mirror: Rows,
  { table, conflicts, updated }: MirroredTable,
  meeting: Meeting,
): Promise<void> {
  const { proposed, filling, indexes } = meeting
  if (!proposed.has(table)) return
  const known = await proposed.load(coordinator, table)
  // a row that is only met may change as soon as it was there
  const lock = conflicts?.updates === true ? ` FOR ${strength(table, updated)}` : ''
  if (table.kind === 'reference') {
    const where = ` WHERE ${mayMeet(indexes, known)}`
    await bringCopy(coordinator, mirror.name, table, `${where}${lock}`, filling)
  } else {
    await bringFromShards(coordinator, mirror, table, { ...meeting, known, lock })
  }
  await query(coordinator, `DROP TABLE ${known}`)
}

/** As UPDATE locks: rows that refer to one that moves are kept out, or its shard would not know of them. */
function strength(table: MirroredTable['table'], updated: readonly string[]): string {
  const isMoved = table.kind === 'distributed' && updated.includes(table.distributionColumn.name)
  return isMoved ? 'UPDATE' : 'NO KEY UPDATE'
}

async function bringFromShards(
  coordinator: BackendConnection,
  mirror: Rows,
  table: DistributedTable,
  { filling, indexes, known, lock }: Meeting & { readonly known: string; readonly lock: string },
): Promise<void> {
  const { context } = filling
  const columns = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
  const shards = await shardsOf(coordinator, table, known, indexes)
  if (shards.length === 0) return
  const knownOn = new Map([[coordinator.node.nodeId, known]])
  for (const shard of shards) {
    if (knownOn.has(shard.nodeId)) continue
    const target = await context.connection(shard.nodeId, 'write')
    const all = allColumns(table)
    const shape = `SELECT ${all} FROM ${shardName(table, shard)}`
    const rows = { coordinator, columns: all, from: known, shape }
    knownOn.set(shard.nodeId, await shipRows(rows, target, context))
  }
  const around = (_text: Buffer, shard: Shard) => {
    const where = mayMeet(indexes, knownOn.get(shard.nodeId) ?? known)
    const met = `SELECT ctid, ${copiedColumns(table)} FROM ${shardName(table, shard)} WHERE ${where}${lock}`
    return Buffer.from(`SELECT ${shard.index}::pg_catalog.int4, m.* FROM (${met}) AS m`)
  }
  const given = [SHARD_COLUMN, ...identityOf(table).map(({ name }) => name), ...columns]
  await fill(
    mirror,
    {
      table: { ...table, shards },
      pins: [],
      worker: { pieces: [], holeTables: [] },
      parameters: [],
      usesTransactionTime: false,
      columns: given,
      around,
      access: 'write',
    },
    coordinator,
    filling,
  )
  for (const [nodeId, name] of knownOn) {
    if (nodeId === coordinator.node.nodeId) continue
    await query(await context.connection(nodeId, 'write'), `DROP TABLE ${name}`)
  }
}

async function shardsOf(
  coordinator: BackendConnection,
  table: DistributedTable,
  known: string,
  indexes: readonly UniqueIndex[],
): Promise<readonly Shard[]> {
  if (!indexes.every((index) => isWithinShard(index, table))) return table.shards
  const { rows } = await query(
    coordinator,
    `SELECT DISTINCT ${shardIndex(table)} FROM ${known} WHERE ${quoteIdentifier(table.distributionColumn.name)} IS NOT NULL`,
  )
  const found = new Set(rows.map(([index]) => Number(index)))
  return table.shards.filter(({ index }) => found.has(index))
}

/** Writers of reference tables begin with this copy: whoever has its rows locked comes first on all nodes. */
export async function bringCopy(
  coordinator: BackendConnection,
  mirror: string,
  table: ReferenceTable,
  which: string,
  { context }: Filling,
): Promise<void> {
  const identity = identityOf(table)
  const given = copiedColumns(table)
  const targets = [SHARD_COLUMN, ...identity.map(({ name }) => name), given].join(', ')
  const values = ['0', ...identity.map(({ of }) => of), given].join(', ')
  const from = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const insert = `INSERT INTO ${mirror} (${targets}) SELECT ${values} FROM (SELECT * FROM ${from} ${which}) AS locked`
  await interruptible(coordinator, context.signal, query(coordinator, insert))
}
