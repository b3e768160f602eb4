import { RouterError, ServerError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import { binaryKeyHasher } from '../../../catalog/key-bytes.ts'
import { shardIndexer } from '../../../catalog/shard-map.ts'
import type { InsertThroughScratchPlan, Repartition } from '../../../planner/write/write-plans.ts'
import { maySplit } from '../../copy/split/copy-facts.ts'
import { type CopyStatements, CopyTargets } from '../../copy/split/copy-targets.ts'
import { BROKEN_SHARD, UNKNOWN_SHARD } from '../../copy/split/row-splitter.ts'
import { keysOf } from '../../execution-keys.ts'
import { query } from '../../node-client.ts'
import type { CommandTag, Execution, StatementContext } from '../../ports.ts'
import { mendError } from '../../relay/error-rewriting.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { unchangedPositions } from '../../relay/relay-on.ts'
import type { ScatterRequest } from '../../scatter/scatter.ts'
import { scatterRequest } from '../../scatter/scatter-request.ts'
import { describeStatement } from '../../statement-description.ts'
import { COPY_HEADER, COPY_TRAILER } from '../hashed-rows.ts'
import { lostRows } from '../scratch-table.ts'
import { closePortal, type NodePortals, nextRows, openPortals } from './row-portals.ts'

/** What one look into a portal may bring, if the rows to come are as wide as the widest so far. */
const LOOK_BYTES = 1024 * 1024
const FIRST_LOOK_ROWS = 64
const MAX_LOOK_ROWS = 8192
const LOOK_GROWTH = 4
/** Rows that were narrow for long and then are not. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024
const SETTING = 'citus.enable_repartitioned_insert_select'

/**
 * INSERT … SELECT whose rows go from shard to shard through the proxy, in binary and as they come, on the transaction's own
 * connections: of each node by turns some rows are read and some are written. The queries have begun before the first row
 * is written, so that none sees one. undefined: it must be done in another way, and nothing has been done.
 */
export async function runRepartitioned(
  plan: InsertThroughScratchPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag | undefined> {
  const { table } = plan
  const repartition = await usableRepartition(plan, context)
  if (repartition === undefined || table.kind !== 'distributed') return undefined
  context.noteTier('scatter')
  const request = await repartitionRequest(repartition, execution, context)
  const portals = await openPortals(request, context)
  const run = new RepartitionRun(repartition, table, context)
  const count = await run.run(portals)
  return `INSERT 0 ${count}`
}

/** The plan's, unless the session or the table's defaults and foreign keys forbid it. */
export async function usableRepartition(
  { repartition, table }: InsertThroughScratchPlan,
  context: StatementContext,
): Promise<Repartition | undefined> {
  const [shard] = table.kind === 'distributed' ? table.shards : []
  if (repartition === undefined || shard === undefined || table.kind !== 'distributed') {
    return undefined
  }
  const { nodeId } = coordinatorOf(context.catalog)
  const coordinator = await context.connection(nodeId, 'read')
  const { rows } = await query(
    coordinator,
    `SELECT pg_catalog.current_setting('${SETTING}', true) = 'off'`,
  )
  if (rows[0]?.[0] === 't') return undefined
  const connection = await context.connection(shard.nodeId, 'read')
  const isSplit = await maySplit(connection, table, repartition.columns, context)
  return isSplit ? repartition : undefined
}

/** What each shard is asked. Throws what is wrong with the statement, as the coordinator finds it on the shells. */
export async function repartitionRequest(
  { rows }: Repartition,
  execution: Execution,
  context: StatementContext,
): Promise<ScatterRequest> {
  const { nodeId } = coordinatorOf(context.catalog)
  const coordinator = await context.connection(nodeId, 'read')
  const { text, parameters } = execution
  try {
    const { parameterTypes: types } = await describeStatement(coordinator, text, parameters.types)
    const typed = { ...execution, parameters: { ...parameters, types } }
    const keys = keysOf(text, typed.parameters)
    const options = { resultFormats: [1], maxRows: 0, access: 'read' } as const
    return await scatterRequest(rows, typed, context, keys, options)
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    const positions = unchangedPositions(execution)
    throw mendError(error.frame, 0, error.frame.length, { positions })
  }
}

class RepartitionRun {
  readonly #table: DistributedTable
  readonly #context: StatementContext
  readonly #targets: CopyTargets
  readonly #keyIndex: number
  readonly #hashKey: ReturnType<typeof binaryKeyHasher>
  readonly #indexOf: (hash: number) => number
  readonly #nullShard: number
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #rowCount = 0
  #widestBytes = 64

  constructor(
    { columns, keyIndex }: Repartition,
    table: DistributedTable,
    context: StatementContext,
  ) {
    this.#table = table
    this.#context = context
    this.#keyIndex = keyIndex
    this.#hashKey = binaryKeyHasher(table.distributionColumn)
    this.#indexOf = shardIndexer(table)
    this.#nullShard = table.distributionColumn.isNotNull ? BROKEN_SHARD : UNKNOWN_SHARD
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal])
    this.#targets = new CopyTargets(copyStatements(table, columns, context))
    this.#targets.origin = {
      head: { bytes: COPY_HEADER, lines: 0 },
      isBroken: false,
      firstShift: () => 0,
    }
    this.#targets.trailer = COPY_TRAILER
  }

  /** Never leaves a connection in the midst of anything. */
  async run(portals: readonly NodePortals[]): Promise<number> {
    const targets = this.#targets
    const nodes = portals.map((node) => this.#empty(node))
    try {
      await Promise.all(nodes)
      if (this.#rowCount === 0) await this.#touchTarget()
      const count = await targets.finish()
      if (count !== this.#rowCount) throw lostRows(this.#table, this.#rowCount, count)
      return count
    } catch (error) {
      const shown = targets.error ?? error
      this.#stop.abort(shown)
      await targets.abort(shown instanceof RouterError ? shown.message : 'canceled')
      await Promise.allSettled(nodes)
      throw shown
    }
  }

  /** All rows of a node's portals. */
  async #empty({ nodeId, names }: NodePortals): Promise<void> {
    const targets = this.#targets
    const ask = (asking: Parameters<CopyTargets['ask']>[1]): void => targets.ask(nodeId, asking)
    let rows = FIRST_LOOK_ROWS
    try {
      for (const name of names) {
        let hasMore = true
        while (hasMore) {
          await targets.makeRoom()
          this.#signal.throwIfAborted()
          hasMore = await nextRows(name, rows, ask, this.#take, this.#signal)
          const fitting = Math.floor(LOOK_BYTES / this.#widestBytes)
          rows = Math.max(1, Math.min(rows * LOOK_GROWTH, fitting, MAX_LOOK_ROWS))
        }
        await closePortal(name, ask)
      }
    } catch (error) {
      targets.fail(error)
      throw error
    }
  }

  readonly #take = (chunk: Buffer, start: number, end: number): void => {
    const shard = this.#shardOf(chunk, start)
    this.#targets.place(shard, chunk, start, end, 0, 1)
    this.#rowCount++
    if (end - start > this.#widestBytes) this.#widestBytes = end - start
    if (this.#targets.waitingBytes > MAX_WAITING_BYTES) throw tooWide()
  }

  /** Int16(count), then Int32(length) and bytes of each field. */
  #shardOf(chunk: Buffer, start: number): number {
    let at = start + 2
    for (let field = 0; field < this.#keyIndex; field++) {
      const length = chunk.readInt32BE(at)
      at += 4 + (length > 0 ? length : 0)
    }
    const length = chunk.readInt32BE(at)
    if (length < 0) return this.#nullShard
    const hash = this.#hashKey(chunk, at + 4, at + 4 + length)
    return hash === undefined ? UNKNOWN_SHARD : this.#indexOf(hash)
  }

  /** Whether the user may write to the table matters also where there is nothing to write. */
  async #touchTarget(): Promise<void> {
    const [shard] = this.#table.shards
    if (shard === undefined) return
    const connection = await this.#context.connection(shard.nodeId, 'write')
    this.#targets.begin(connection, {})
  }
}

function copyStatements(
  table: DistributedTable,
  columns: readonly string[],
  context: StatementContext,
): CopyStatements {
  const list = columns.map(quoteIdentifier).join(', ')
  const into = (name: string) => {
    const text = Buffer.from(`COPY ${name} (${list}) FROM STDIN (FORMAT binary)`)
    return { text, positions: 'drop' as const }
  }
  return {
    table,
    context,
    showsLines: false,
    intoShard: into,
    intoScratch: ({ qualifiedName }) => into(qualifiedName),
  }
}

function tooWide(): RouterError {
  return new RouterError(
    SqlState.programLimitExceeded,
    `rows that wait for their shards take more than ${MAX_WAITING_BYTES / 1024 / 1024} MiB`,
    { hint: `SET ${SETTING} = off, or insert the widest rows in a statement of their own.` },
  )
}
