import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import { query } from '../../node-client.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { copiedColumns, hashExpression } from '../distribute-rows.ts'
import { scratchName, scratchQualified } from '../scratch-table.ts'
import { SHARD_COLUMN } from './identity.ts'
import type { Mirror, MirroredRows } from './mirror.ts'

/** What has happened to a row: `u`pdated where it is, `m`oved to another shard, `d`eleted. */
export type ChangeKind = 'u' | 'm' | 'd'

export type Changes = {
  readonly mirror: Mirror
  /** The table of changed rows, on the coordinator; undefined: none could be. */
  readonly name: string | undefined
  readonly counts: readonly { shard: number; kind: ChangeKind; count: number }[]
  readonly insertedCount: number
  /** Rows that follow others: see followers.ts. */
  readonly follows: boolean
}

/** What the statement did to the mirror's rows; those that are to be inserted elsewhere join the inserted ones. */
export async function findChanges(
  coordinator: BackendConnection,
  mirror: Mirror,
): Promise<Changes> {
  const { rows, scratch, target } = mirror
  const name = rows === undefined ? undefined : await writeChanges(coordinator, mirror, rows)
  const counts = name === undefined ? [] : await countChanges(coordinator, name)
  if (rows?.view !== undefined) {
    const columns = copiedColumns(target.table)
    await query(
      coordinator,
      `INSERT INTO ${scratch.qualifiedName} (${columns}) SELECT ${columns} FROM ${rows.name} WHERE ${SHARD_COLUMN} IS NULL ORDER BY ctid`,
    )
  }
  if (name !== undefined && counts.some(({ kind }) => kind === 'm')) {
    const columns = copiedColumns(target.table)
    await query(
      coordinator,
      `INSERT INTO ${scratch.qualifiedName} (${columns}) SELECT ${columns} FROM ${name} WHERE pgloom_change = 'm' ORDER BY ctid`,
    )
  }
  const inserted = await query(
    coordinator,
    `SELECT pg_catalog.count(*) FROM ONLY ${scratch.qualifiedName}`,
  )
  return { mirror, name, counts, insertedCount: Number(inserted.rows[0]?.[0]), follows: false }
}

async function writeChanges(
  coordinator: BackendConnection,
  { target }: Mirror,
  { name: from, identity, lastCommand, before }: MirroredRows,
): Promise<string> {
  const name = scratchQualified(scratchName())
  const { table, updated } = target
  const keys = [SHARD_COLUMN, ...identity.map((column) => column.name)].join(', ')
  const mayMove =
    table.kind === 'distributed' && updated.includes(table.distributionColumn.name)
      ? isElsewhere(table)
      : 'false'
  await query(
    coordinator,
    `CREATE UNLOGGED TABLE ${name} AS
     SELECT (CASE WHEN ${mayMove} THEN 'm' ELSE 'u' END)::"char" AS pgloom_change, ${keys}, ${copiedColumns(table)}
     FROM ${from} WHERE cmin::text::int8 > ${lastCommand} AND ${SHARD_COLUMN} IS NOT NULL`,
  )
  if (before !== undefined) {
    await query(
      coordinator,
      `INSERT INTO ${name} (pgloom_change, ${keys})
       SELECT 'd', g.* FROM (SELECT ${keys} FROM ${before} EXCEPT SELECT ${keys} FROM ${from}) AS g`,
    )
  }
  return name
}

/** A NULL has no shard at all: that is told when it is to be inserted. */
function isElsewhere(table: DistributedTable): string {
  const key = quoteIdentifier(table.distributionColumn.name)
  return `${key} IS NULL OR ${shardIndex(table)} <> ${SHARD_COLUMN}`
}

/** The index of the shard that a row belongs to, computed by Postgres. */
export function shardIndex(table: DistributedTable): string {
  const bounds = table.shards.map(({ minHash }) => minHash).join(',')
  return `pg_catalog.width_bucket(${hashExpression(table)}::int8, '{${bounds}}'::int8[]) - 1`
}

export async function countChanges(coordinator: BackendConnection, name: string) {
  const { rows } = await query(
    coordinator,
    `SELECT ${SHARD_COLUMN}, pgloom_change, pg_catalog.count(*) FROM ${name} GROUP BY 1, 2`,
  )
  return rows.map(([shard, kind, count]) => ({
    shard: Number(shard),
    kind: kind as ChangeKind,
    count: Number(count),
  }))
}
