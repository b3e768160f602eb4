import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { DistributedTable, Shard } from '../../../catalog/catalog.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { StatementContext } from '../../ports.ts'
import type { AnswerReader } from '../../server-answer.ts'
import { distributeRows, shardName } from '../../write/distribute-rows.ts'
import {
  createScratchTable,
  dropScratchTable,
  lostRows,
  type ScratchTable,
} from '../../write/scratch-table.ts'
import type { CopyInStream } from '../copy-in-stream.ts'
import { BlockPool, MAX_BLOCK_BYTES } from './block-pool.ts'
import type { CopyTarget } from './copy-target.ts'
import { type Asking, type CopyWorld, NodeCopy } from './node-copy.ts'
import { RowBatch, WORD_BYTES } from './row-batch.ts'
import type { RowRun } from './row-run.ts'
import { BROKEN_SHARD, type RowSink, UNKNOWN_SHARD } from './row-splitter.ts'

/** Of what waits, rows that wait for more rows of their shard. */
const GATHERED_PART = 0.75
/**
 * A COPY costs a server about as much as 5,000 narrow rows, whatever is in it (from version 17 on: it makes and drops a thousand
 * slots that refer to one descriptor). So later batches are larger than the first, which give the nodes something to do.
 */
const FIRST_BATCH_BYTES = 128 * 1024
const BATCH_GROWTH = 2
const MIN_BATCH_BYTES = 16 * 1024
const MAX_BATCH_BYTES = 2 * 1024 * 1024
/** Of batches that are filled at different times half is there at a time; a little less, to be sure. */
const BATCHES_PER_GATHERED = 1.5
const MIN_BLOCK_BYTES = 4096

/** Where the rows come from. */
export type RowOrigin = {
  /** What stood before them. */
  readonly head: { readonly bytes: Buffer | undefined; readonly lines: number }
  /** Postgres will refuse the last row placed. */
  readonly isBroken: boolean
  /** See RowSplitter. */
  firstShift(bytes: Buffer, start: number, end: number): number
}

/** What the COPYs of the rows are. */
export type CopyStatements = {
  readonly table: DistributedTable
  readonly context: StatementContext
  /** The lines of errors are those of the client's own data. */
  readonly showsLines: boolean
  /** 'read': into tables of the statement's own, of which nothing is left. Absent: 'write'. */
  readonly access?: 'read' | 'write'
  /** Into the shard's table of this name. */
  intoShard(name: string, shard: Shard): ReturnType<CopyTarget['text']>
  intoScratch(scratch: ScratchTable): ReturnType<CopyTarget['text']>
}

/**
 * Rows gather for each shard until they are worth a COPY of their own, since a node's one connection has one COPY at a time.
 * Bounded in all: the client waits while the nodes don't keep up.
 */
export class CopyTargets implements RowSink {
  /** The first failure: the others follow from it. */
  error: unknown
  trailer: Buffer | undefined
  origin: RowOrigin | undefined
  readonly #statements: CopyStatements
  readonly #table: DistributedTable
  readonly #context: StatementContext
  readonly #pool = new BlockPool()
  readonly #blockBytes: number
  readonly #shards: readonly CopyTarget[]
  readonly #nodes = new Map<number, NodeCopy>()
  #scratchTarget: CopyTarget | undefined
  #scratch: ScratchTable | undefined
  #scratchRows = 0
  #wakes: (() => void)[] = []

  constructor(statements: CopyStatements) {
    const { table, context } = statements
    this.#statements = statements
    this.#table = table
    this.#context = context
    this.#blockBytes =
      2 ** Math.floor(Math.log2(clamp(this.#batchBytes / 8, MIN_BLOCK_BYTES, MAX_BLOCK_BYTES)))
    this.#shards = table.shards.map((shard) => this.#shardTarget(shard))
  }

  /** The first COPY, on the first shard, shows the client whether its statement is right. */
  begin(connection: BackendConnection, reader: AnswerReader): CopyInStream {
    const [first] = this.#shards
    if (first === undefined) throw new Error('no shard')
    return this.#node(connection.node.nodeId).begin(first, connection, reader)
  }

  place(
    shard: number,
    bytes: Buffer,
    start: number,
    end: number,
    line: number,
    lines: number,
  ): void {
    const target = shard === UNKNOWN_SHARD ? this.#unknown : this.#shards[shard]
    if (target === undefined) throw new Error(`no shard ${shard}`)
    const length = end - start
    let { batch } = target
    if (batch?.isFull(length) && batch.byteLength + this.#blockBytes > target.batchBytes) {
      this.#send(target, batch)
      batch = undefined
    }
    if (batch === undefined) {
      const shift = this.origin?.firstShift(bytes, start, end) ?? 0
      batch = new RowBatch(this.#pool, this.#blockBytes, shift)
      target.batch = batch
    }
    batch.append(bytes, start, end, line, lines)
    if (batch.byteLength >= target.batchBytes) this.#send(target, batch)
  }

  placeRun(
    { count, ends, shards, source }: RowRun,
    bytes: Buffer,
    start: number,
    line: number,
  ): void {
    const limit = source.byteLength - WORD_BYTES
    const targets = this.#shards
    let from = start
    for (let row = 0; row < count; row++) {
      const end = ends[row] ?? 0
      const shard = shards[row] ?? UNKNOWN_SHARD
      const batch = shard < 0 ? undefined : targets[shard]?.batch
      if (batch === undefined || end > limit || !batch.takes(source, from, end, line + row)) {
        this.place(shard, bytes, from, end, line + row, 1)
      }
      from = end
    }
  }

  /** Resolves when there is room for more rows. Throws what has failed. */
  async makeRoom(): Promise<void> {
    if (this.error !== undefined) throw this.error
    while (this.error === undefined && this.#pool.usedBytes >= this.#pool.shareBytes) {
      // each time: the share shrinks when other COPYs begin
      this.#sendLargest()
      await new Promise<void>((resolve) => {
        this.#wakes.push(resolve)
      })
    }
    if (this.error !== undefined) throw this.error
  }

  /** Sends what is left; resolves with the count of rows when all are in their shards. */
  async finish(): Promise<number> {
    for (const target of this.#all) {
      if (target.batch !== undefined) this.#send(target, target.batch)
    }
    const failed = new Promise<never>((_, reject) => {
      this.#reject = reject
      if (this.error !== undefined) reject(this.error)
    })
    failed.catch(() => undefined)
    const nodes = [...this.#nodes.values()]
    const counts = await Promise.race([failed, Promise.all(nodes.map((node) => node.finish()))])
    if (this.error !== undefined) throw this.error
    await this.#distributeScratch()
    this.#end()
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** Never throws; all connections are ready for ROLLBACK. */
  async abort(reason: string): Promise<void> {
    this.#end()
    await Promise.all([...this.#nodes.values()].map((node) => node.abort(reason)))
  }

  /** All that waits to be sent, in bytes. */
  get waitingBytes(): number {
    return this.#pool.usedBytes
  }

  /** Something else of the statement's, on the node's connection, as soon as no COPY is open there. */
  ask(nodeId: number, asking: Asking): void {
    this.#node(nodeId).ask(asking)
  }

  readonly fail = (error: unknown): void => {
    this.error ??= error
    this.#reject?.(this.error)
    this.#awake()
  }

  #reject: ((error: unknown) => void) | undefined

  #end(): void {
    this.#pool.close()
  }

  get #batchBytes(): number {
    const gathered = this.#pool.shareBytes * GATHERED_PART
    const wanted = (BATCHES_PER_GATHERED * gathered) / this.#table.shards.length
    return clamp(wanted, MIN_BATCH_BYTES, MAX_BATCH_BYTES)
  }

  get #all(): readonly CopyTarget[] {
    return this.#scratchTarget === undefined ? this.#shards : [...this.#shards, this.#scratchTarget]
  }

  #awake(): void {
    const wakes = this.#wakes
    this.#wakes = []
    for (const wake of wakes) wake()
  }

  #send(target: CopyTarget, batch: RowBatch): void {
    target.batch = undefined
    target.batchBytes = Math.min(this.#batchBytes, target.batchBytes * BATCH_GROWTH)
    batch.seal()
    batch.isBroken = this.origin?.isBroken === true && target === this.#shards[BROKEN_SHARD]
    this.#node(target.nodeId).put(target, batch)
  }

  /** So that the nodes have something to do while the client waits. */
  #sendLargest(): void {
    const gathering = this.#all.filter(({ batch }) => batch !== undefined)
    gathering.sort((a, b) => (b.batch?.heldBytes ?? 0) - (a.batch?.heldBytes ?? 0))
    let bytes = gathering.reduce((sum, { batch }) => sum + (batch?.heldBytes ?? 0), 0)
    for (const target of gathering) {
      if (bytes <= this.#pool.shareBytes * GATHERED_PART || target.batch === undefined) return
      bytes -= target.batch.heldBytes
      this.#send(target, target.batch)
    }
  }

  #node(nodeId: number): NodeCopy {
    let node = this.#nodes.get(nodeId)
    if (node === undefined) {
      node = new NodeCopy(nodeId, this.#world())
      this.#nodes.set(nodeId, node)
    }
    return node
  }

  #world(): CopyWorld {
    return {
      context: this.#context,
      tableName: this.#table.name,
      showsLines: this.#statements.showsLines,
      access: this.#statements.access ?? 'write',
      pool: this.#pool,
      head: () => this.origin?.head ?? { bytes: undefined, lines: 0 },
      trailer: () => this.trailer,
      fail: this.fail,
      onProgress: () => this.#awake(),
    }
  }

  /** Batches of different first lengths, so that not all shards' are sent at the same time. */
  #shardTarget(shard: Shard): CopyTarget {
    const part = 0.5 + (shard.index % 16) / 16
    const name = shardName(this.#table, shard)
    return {
      nodeId: shard.nodeId,
      prepare: undefined,
      text: () => this.#statements.intoShard(name, shard),
      alias: () => undefined,
      batch: undefined,
      batchBytes: Math.min(this.#batchBytes, Math.ceil(FIRST_BATCH_BYTES * part)),
    }
  }

  /** For rows whose keys only Postgres can read: they go through a scratch table. */
  get #unknown(): CopyTarget {
    this.#scratchTarget ??= {
      nodeId: coordinatorOf(this.#context.catalog).nodeId,
      prepare: async (connection) => {
        this.#scratch = await createScratchTable(connection, this.#table)
      },
      text: () => this.#statements.intoScratch(this.#made),
      alias: () => this.#made.alias,
      batch: undefined,
      batchBytes: Math.min(this.#batchBytes, FIRST_BATCH_BYTES),
      taken: (count) => {
        this.#scratchRows += count
      },
    }
    return this.#scratchTarget
  }

  get #made(): ScratchTable {
    if (this.#scratch === undefined) throw new Error('no scratch table yet')
    return this.#scratch
  }

  async #distributeScratch(): Promise<void> {
    const scratch = this.#scratch
    if (scratch === undefined) return
    const { signal, catalog } = this.#context
    const table = this.#table
    const source = await this.#context.connection(
      coordinatorOf(this.#context.catalog).nodeId,
      'write',
    )
    const target = (shard: Shard) => this.#context.connection(shard.nodeId, 'write')
    const from = scratch.qualifiedName
    const count = await distributeRows({ source, from, table, target, signal, catalog })
    if (count !== this.#scratchRows) throw lostRows(table, this.#scratchRows, count)
    await dropScratchTable(source, scratch)
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.floor(Math.min(most, Math.max(least, value)))
}
