import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Pools } from '../../backend/pools.ts'
import { query } from '../node-client.ts'

/** Where clients have asked for currval() or lastval(): only they pay for a true answer. */
const asked = new WeakSet<Pools>()

/**
 * Whether currval() and lastval() on a connection would be this session's own values: it was the last to write there, has
 * written nowhere else since, and what others had drawn there before was discarded.
 */
export class SequenceOwnership {
  readonly #pools: Pools
  #lastWritten: BackendConnection | undefined = undefined

  constructor(pools: Pools) {
    this.#pools = pools
  }

  /** Before a statement that writes: what must be run first is pipelined. */
  claim(connection: BackendConnection): void {
    const isNew = connection.lastWriter === undefined
    const isOwn = connection.lastWriter === this && !connection.hasOthersSequences
    if (isNew || isOwn) return
    const discards = asked.has(this.#pools)
    connection.hasOthersSequences = !discards
    if (discards) query(connection, 'DISCARD SEQUENCES').catch(() => connection.close())
  }

  /** After it. */
  noteWritten(connection: BackendConnection): void {
    connection.lastWriter = this
    this.#lastWritten = connection
  }

  holdsOn(connection: BackendConnection): boolean {
    asked.add(this.#pools)
    const isOwn = connection.lastWriter === this && this.#lastWritten === connection
    return isOwn && !connection.hasOthersSequences
  }
}
