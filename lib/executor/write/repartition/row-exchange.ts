import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import { binaryKeyHasher } from '../../../catalog/key-bytes.ts'
import { shardIndexer } from '../../../catalog/shard-map.ts'
import { type CopyStatements, CopyTargets } from '../../copy/split/copy-targets.ts'
import { UNKNOWN_SHARD } from '../../copy/split/row-splitter.ts'
import { COPY_HEADER, COPY_TRAILER } from '../hashed-rows.ts'
import { lostRows } from '../scratch-table.ts'
import { closePortal, type NodePortals, nextRows } from './row-portals.ts'

/** What one look into a portal may bring, if the rows to come are as wide as the widest so far. */
const LOOK_BYTES = 1024 * 1024
const FIRST_LOOK_ROWS = 64
const MAX_LOOK_ROWS = 8192
const LOOK_GROWTH = 4
/** Rows that were narrow for long and then are not. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024

export type ExchangeOptions = {
  readonly statements: CopyStatements
  /** Place of the key among the columns of the rows. */
  readonly keyIndex: number
  /** Index of the shard that takes rows without a key. */
  readonly nullShard: number
  /** Nobody wants the rows of other shards; absent: all are wanted. */
  readonly wanted?: ReadonlySet<number>
  /** Where it is full, it throws. */
  readonly take?: (bytes: number) => void
  /** Where there was no row at all. */
  readonly onEmpty?: (targets: CopyTargets) => Promise<void>
  /** What a row that is too wide may be helped by. */
  readonly hint: string
}

/**
 * Rows go from the shards of one table to those of another through the proxy, in binary and as they come: on the
 * transaction's one connection to a node some are read and some are written, by turns.
 */
export class RowExchange {
  readonly #options: ExchangeOptions
  readonly #table: DistributedTable
  readonly #targets: CopyTargets
  readonly #hashKey: ReturnType<typeof binaryKeyHasher>
  readonly #indexOf: (hash: number) => number
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #rowCount = 0
  #widestBytes = 64

  constructor(options: ExchangeOptions) {
    const { table, context } = options.statements
    this.#options = options
    this.#table = table
    this.#hashKey = binaryKeyHasher(table.distributionColumn)
    this.#indexOf = shardIndexer(table)
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal])
    this.#targets = new CopyTargets(options.statements)
    this.#targets.origin = {
      head: { bytes: COPY_HEADER, lines: 0 },
      isBroken: false,
      firstShift: () => 0,
    }
    this.#targets.trailer = COPY_TRAILER
  }

  /** Resolves with the count of the rows. Never leaves a connection in the midst of anything. */
  async run(portals: readonly NodePortals[]): Promise<number> {
    const targets = this.#targets
    const nodes = portals.map((node) => this.#empty(node))
    try {
      await Promise.all(nodes)
      if (this.#rowCount === 0) await this.#options.onEmpty?.(targets)
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
    const { wanted, take } = this.#options
    const shard = this.#shardOf(chunk, start)
    if (wanted?.has(shard) === false) return
    take?.(end - start)
    this.#targets.place(shard, chunk, start, end, 0, 1)
    this.#rowCount++
    if (end - start > this.#widestBytes) this.#widestBytes = end - start
    if (this.#targets.waitingBytes > MAX_WAITING_BYTES) throw tooWide(this.#options.hint)
  }

  /** Int16(count), then Int32(length) and bytes of each field. */
  #shardOf(chunk: Buffer, start: number): number {
    const { keyIndex, nullShard } = this.#options
    let at = start + 2
    for (let field = 0; field < keyIndex; field++) {
      const length = chunk.readInt32BE(at)
      at += 4 + (length > 0 ? length : 0)
    }
    const length = chunk.readInt32BE(at)
    if (length < 0) return nullShard
    const hash = this.#hashKey(chunk, at + 4, at + 4 + length)
    return hash === undefined ? UNKNOWN_SHARD : this.#indexOf(hash)
  }
}

function tooWide(hint: string): RouterError {
  return new RouterError(
    SqlState.programLimitExceeded,
    `rows that wait for their shards take more than ${MAX_WAITING_BYTES / 1024 / 1024} MiB`,
    { hint },
  )
}
