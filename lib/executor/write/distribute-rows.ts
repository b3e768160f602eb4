import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Catalog, DistributedTable, Shard } from '../../catalog/catalog.ts'
import { Frontend } from '../../wire/message-codes.ts'
import { CopyInStream } from '../copy/copy-in-stream.ts'
import { interruptible } from '../interruptible.ts'
import { query } from '../node-client.ts'
import { UNSEEN_COPY } from '../relay/error-rewriting.ts'
import { quotedSchema, quoteIdentifier } from '../relay/quoted-schema.ts'
import { ValueOids } from '../relay/value-oids.ts'
import { nullKey } from '../route.ts'
import { tagCount } from '../server-answer.ts'
import { COPY_HEADER, COPY_TRAILER, HashedRows } from './hashed-rows.ts'

export type RowDistribution = {
  /** In a transaction that sees the rows. */
  readonly source: BackendConnection
  /** The table the rows are in, as a FROM item: `ONLY "public"."events"`, `"pgloom_scratch"."s1"`. */
  readonly from: string
  readonly table: DistributedTable
  /**
   * The one connection to the shard's node, in a transaction. Asked at most once in a row for each shard with rows, and
   * never for shards on the source's own node: there the source itself inserts.
   */
  readonly target: (shard: Shard) => Promise<BackendConnection>
  readonly signal: AbortSignal
  readonly catalog: Pick<Catalog, 'userTypes' | 'nodes'>
  /** Rows handed on so far; called per batch. */
  readonly onProgress?: (rowCount: number) => void
}

/**
 * Copies all rows of a table to the shards they belong to, in the transactions at hand. Streams: memory doesn't grow
 * with the number of rows. Throws 22004 for a NULL in the distribution column, before anything is copied. When it
 * throws, all connections are ready for the next command (ROLLBACK, in effect).
 */
export async function distributeRows(distribution: RowDistribution): Promise<number> {
  const { source, table } = distribution
  await refuseNullKeys(distribution)
  const remote = table.shards.filter(({ nodeId }) => nodeId !== source.node.nodeId)
  const local = table.shards.filter(({ nodeId }) => nodeId === source.node.nodeId)
  const copied = remote.length === 0 ? 0 : await copyToShards(distribution, remote)
  const inserted = local.length === 0 ? 0 : await insertHere(distribution, local, copied)
  return copied + inserted
}

export async function refuseNullKeys({
  source,
  from,
  table,
  signal,
}: Pick<RowDistribution, 'source' | 'from' | 'table' | 'signal'>): Promise<void> {
  if (table.distributionColumn.isNotNull) return
  const key = quoteIdentifier(table.distributionColumn.name)
  const { rows: nulls } = await interruptible(
    source,
    signal,
    query(source, `SELECT 1 FROM ${from} WHERE ${key} IS NULL LIMIT 1`),
  )
  if (nulls.length > 0) throw nullKey(table)
}

/** The columns that can be given: generated ones are computed again by the shard. */
export function copiedColumns(table: Pick<DistributedTable, 'columns'>): string {
  const columns = table.columns.filter(({ isGenerated }) => !isGenerated)
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ')
}

function copiedTypes({ columns }: Pick<DistributedTable, 'columns'>): readonly number[] {
  return columns.filter(({ isGenerated }) => !isGenerated).map(({ typeOid }) => typeOid)
}

/** The hash that decides the shard, computed by Postgres. */
export function hashExpression({ distributionColumn }: DistributedTable): string {
  return `pg_catalog.hash_record(ROW(${quoteIdentifier(distributionColumn.name)}))`
}

export function shardName(table: Pick<DistributedTable, 'name'>, shard: Shard): string {
  return `${quotedSchema(shard).toString()}.${quoteIdentifier(table.name)}`
}

async function copyToShards(
  distribution: RowDistribution,
  shards: readonly Shard[],
): Promise<number> {
  const { source, from, table, signal } = distribution
  const hash = hashExpression(table)
  const columns = copiedColumns(table)
  const select = `SELECT ${hash}, ${columns} FROM ${from}${rangeFilter(table, shards)} ORDER BY 1, ctid`
  const rows = new HashedRows(source, `COPY (${select}) TO STDOUT (FORMAT binary)`, shards, signal)
  const writer = new ShardWriter(distribution, shards, columns)
  try {
    for (let batch = await rows.next(); batch !== undefined; batch = await rows.next()) {
      signal.throwIfAborted()
      await writer.write(batch.rangeIndex, batch.messages, batch.rowCount)
    }
    return await writer.finish()
  } catch (error) {
    await Promise.all([rows.abandon(), writer.abort()])
    throw error
  }
}

function rangeFilter(table: DistributedTable, shards: readonly Shard[]): string {
  if (shards.length === table.shards.length) return ''
  const hash = hashExpression(table)
  const ranges = shards.map(({ minHash, maxHash }) => `${hash} BETWEEN ${minHash} AND ${maxHash}`)
  return ` WHERE ${ranges.join(' OR ')}`
}

/** Writes batches to one shard after the other; commands to the same node are pipelined. */
class ShardWriter {
  readonly #distribution: RowDistribution
  readonly #shards: readonly Shard[]
  readonly #columns: string
  readonly #ended: Promise<number | Error>[] = []
  #current: CopyInStream | undefined
  /** Of rows for the current shard. */
  #oids: ValueOids | undefined
  #currentIndex = -1
  #rowCount = 0

  constructor(distribution: RowDistribution, shards: readonly Shard[], columns: string) {
    this.#distribution = distribution
    this.#shards = shards
    this.#columns = columns
  }

  async write(shardIndex: number, messages: Buffer, rowCount: number): Promise<void> {
    if (shardIndex !== this.#currentIndex) await this.#enter(shardIndex)
    this.#oids?.mapMessages(messages, 0, messages.length)
    await this.#current?.write(messages)
    this.#rowCount += rowCount
    this.#distribution.onProgress?.(this.#rowCount)
  }

  /** Resolves with the rows that the shards say they took. */
  async finish(): Promise<number> {
    this.#end()
    let total = 0
    for (const ended of await Promise.all(this.#ended)) {
      if (ended instanceof Error) throw ended
      total += ended
    }
    return total
  }

  /** Never throws; afterwards all connections are ready. */
  async abort(): Promise<void> {
    await this.#current?.abort('canceled')
    await Promise.all(this.#ended)
  }

  async #enter(shardIndex: number): Promise<void> {
    const shard = this.#shards[shardIndex]
    if (shard === undefined) throw new Error(`no shard ${shardIndex}`)
    this.#end()
    const connection = await this.#distribution.target(shard)
    const name = shardName(this.#distribution.table, shard)
    const sql = `COPY ${name} (${this.#columns}) FROM STDIN (FORMAT binary)`
    const { signal, source, catalog } = this.#distribution
    const [from, to] = [source.node.nodeId, connection.node.nodeId]
    this.#oids = ValueOids.between(from, to, copiedTypes(this.#distribution.table), catalog)
    this.#current = new CopyInStream(connection, sql, { signal, mending: UNSEEN_COPY })
    this.#currentIndex = shardIndex
    await this.#current.write(copyData(COPY_HEADER))
  }

  #end(): void {
    const current = this.#current
    if (current === undefined) return
    this.#current = undefined
    this.#currentIndex = -1
    this.#ended.push(endStream(current))
  }
}

/** What it writes is written before it first waits: the next command of the connection comes after it. */
async function endStream(stream: CopyInStream): Promise<number | Error> {
  try {
    return await stream.finish(copyData(COPY_TRAILER))
  } catch (error) {
    await stream.abort('canceled')
    return error instanceof Error ? error : new Error('copy failed', { cause: error })
  }
}

export function copyData(body: Buffer): Buffer {
  const message = Buffer.allocUnsafe(body.length + 5)
  message[0] = Frontend.copyData
  message.writeInt32BE(body.length + 4, 1)
  body.copy(message, 5)
  return message
}

/** Rows that stay on the node where they are. */
async function insertHere(
  { source, from, table, signal, onProgress }: RowDistribution,
  shards: readonly Shard[],
  copied: number,
): Promise<number> {
  const columns = copiedColumns(table)
  const hash = hashExpression(table)
  let total = 0
  for (const shard of shards) {
    signal.throwIfAborted()
    const range = `${hash} BETWEEN ${shard.minHash} AND ${shard.maxHash}`
    const insert = `INSERT INTO ${shardName(table, shard)} (${columns}) SELECT ${columns}`
    const work = query(source, `${insert} FROM ${from} WHERE ${range} ORDER BY ctid`)
    const { tag } = await interruptible(source, signal, work)
    total += tagCount(tag)
    onProgress?.(copied + total)
  }
  return total
}
