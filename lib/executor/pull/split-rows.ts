import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { DistributedTable, Shard } from '../../catalog/catalog.ts'
import { shardsByNode } from '../../catalog/node-shards.ts'
import type { PulledRows } from '../../planner/plan.ts'
import { query } from '../node-client.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { RowExchange } from '../write/repartition/row-exchange.ts'
import { openPortals } from '../write/repartition/row-portals.ts'
import { eachNode } from './broadcast-tables.ts'
import type { Filling } from './pulled.ts'
import { addPrimaryKey, columnDefinition, takeBytes } from './pulled-table.ts'

/** Rows without a key are in one shard, too: they may be grouped by it. */
const NULL_SHARD = 0

export type SplitRows = {
  readonly rows: PulledRows
  /** Its shards' schemas are the names of the temporary tables. */
  readonly table: DistributedTable
  /** Those of its shards that the statement visits. */
  readonly shards: readonly Shard[]
  readonly isEmpty: boolean
}

/** The table with names that no other has. `name`: qualified, what all of them begin with. */
export function withTemporaryNames(table: DistributedTable, name: string): DistributedTable {
  const prefix = name.slice(name.indexOf('.') + 1)
  const shards = table.shards.map((shard) => ({ ...shard, schema: `${prefix}_s${shard.index}` }))
  return { ...table, shards }
}

/** A temporary table for each shard, on its node. Resolves with the bytes of the rows, in the wire's form. */
export async function splitRows(split: SplitRows, filling: Filling): Promise<number> {
  const { rows, isEmpty } = split
  const columns = rows.table.columns.map(columnDefinition).join(', ')
  await onNodes(split, filling, async (connection, names) => {
    const create = names.map((name) => `CREATE TEMPORARY TABLE ${name} (${columns}) ON COMMIT DROP`)
    await query(connection, create.join('; '))
  })
  const byteLength = isEmpty ? 0 : await exchange(split, filling)
  if (rows.needsPrimaryKey) {
    await onNodes(split, filling, async (connection, names) => {
      for (const name of names) await addPrimaryKey(connection, { name }, rows)
    })
  }
  return byteLength
}

async function onNodes(
  { shards }: SplitRows,
  { context }: Filling,
  work: (connection: BackendConnection, names: readonly string[]) => Promise<void>,
): Promise<void> {
  const parts = shardsByNode(shards)
  const nodeIds = parts.map(({ nodeId }) => nodeId)
  await eachNode(nodeIds, context, (connection) => {
    const own = parts.find(({ nodeId }) => nodeId === connection.node.nodeId)
    return work(connection, own?.shards.map(temporaryName) ?? [])
  })
}

function temporaryName({ schema }: Shard): string {
  return `pg_temp.${quoteIdentifier(schema)}`
}

async function exchange(
  { rows, table, shards }: SplitRows,
  { execution, context, keys, allowance }: Filling,
): Promise<number> {
  const { columns } = rows
  const request = await scatterRequest(rows, execution, context, keys, {
    resultFormats: [1],
    maxRows: 0,
    access: 'read',
  })
  if (request.shards.length === 0) return 0
  const list = columns.map(quoteIdentifier).join(', ')
  const before = allowance.left
  const run = new RowExchange({
    statements: {
      table,
      context,
      showsLines: false,
      access: 'read',
      intoShard: (_, shard) => {
        const text = `COPY ${temporaryName(shard)} (${list}) FROM STDIN (FORMAT binary)`
        return { text: Buffer.from(text), positions: 'drop' }
      },
      intoScratch: () => {
        throw new Error('a key of this type has a hash')
      },
    },
    keyIndex: columns.indexOf(table.distributionColumn.name),
    nullShard: NULL_SHARD,
    wanted: new Set(shards.map(({ index }) => index)),
    take: (bytes) => takeBytes(allowance, bytes),
    hint: 'SET pgloom.repartition_joins = never.',
  })
  await run.run(await openPortals(request, context))
  return before - allowance.left
}
