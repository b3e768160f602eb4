import type { Shard } from '../../catalog/catalog.ts'
import type { ClientPort } from '../ports.ts'
import type { ConcatenatedRows } from './concatenated-rows.ts'
import type { ReaderFactory } from './scatter.ts'

/** Rows kept back to be put in order; more go out as they come, in no order (SQL promises none). */
const MEMORY_BYTES = 16 * 1024 * 1024

/**
 * RETURNING of an INSERT whose VALUES went to several shards: the rows come back in the order of the VALUES, as from one
 * Postgres, wherever each shard returned as many as it was given.
 */
export class OrderedRows {
  readonly #concatenated: ConcatenatedRows
  /** For each shard, the positions of its rows in the VALUES. */
  readonly #positionsOf: ReadonlyMap<Shard, readonly number[]>
  readonly #rowsOf = new Map<Shard, Buffer[]>()
  #byteLength = 0

  constructor(concatenated: ConcatenatedRows, positionsOf: ReadonlyMap<Shard, readonly number[]>) {
    this.#concatenated = concatenated
    this.#positionsOf = positionsOf
  }

  readonly readerFor: ReaderFactory = (connection, shards) => {
    const passing = this.#concatenated.readerFor(connection)
    let current = 0
    return {
      ...passing,
      row: (chunk, start, end) => {
        const shard = shards[current]
        if (shard === undefined || this.#byteLength > MEMORY_BYTES) passing.row?.(chunk, start, end)
        else this.#keep(shard, Buffer.from(chunk.subarray(start, end)))
      },
      complete: (tag) => {
        current++
        passing.complete?.(tag)
      },
    }
  }

  /** Writes what has been kept. */
  finish(client: ClientPort): void {
    for (const row of this.#inOrder()) client.write(row, 0, row.length)
  }

  #keep(shard: Shard, row: Buffer): void {
    const rows = this.#rowsOf.get(shard)
    if (rows === undefined) this.#rowsOf.set(shard, [row])
    else rows.push(row)
    this.#byteLength += row.length
  }

  #inOrder(): Buffer[] {
    const ordered: { position: number; row: Buffer }[] = []
    for (const [shard, rows] of this.#rowsOf) {
      const positions = this.#positionsOf.get(shard) ?? []
      if (positions.length !== rows.length) return [...this.#rowsOf.values()].flat()
      for (const [index, row] of rows.entries()) {
        ordered.push({ position: positions[index] ?? 0, row })
      }
    }
    return ordered.sort((a, b) => a.position - b.position).map(({ row }) => row)
  }
}
