import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Pools } from '../../backend/pools.ts'
import { query } from '../node-client.ts'

/** Where clients have asked for currval() or lastval(): only they pay for a true answer. */
const asked = new WeakSet<Pools>()

/**
 * Whether currval() and lastval() on a connection would be this session's own, latest values: the session was the last to write
 * there, has written nowhere else since, and what had been drawn there before, by others or before it wrote elsewhere, was discarded.
 */
export class SequenceOwnership {
  readonly #pools: Pools
  /** By the statement at hand; the first of several. */
  #writing: BackendConnection | undefined = undefined
  /** The statement at hand draws on several connections, or not in the order of its rows. */
  #isScattered = false
  #lastWritten: BackendConnection | undefined = undefined

  constructor(pools: Pools) {
    this.#pools = pools
  }

  /** Before a statement that writes: what must be run first is pipelined. */
  claim(connection: BackendConnection): void {
    if (connection === this.#writing && connection.lastWriter === this) return
    const isNew = connection.lastWriter === undefined
    const isOwn = this.#isLast(connection)
    if (this.#writing !== undefined) this.#isScattered = true
    this.#writing = connection
    connection.lastWriter = this
    if (isNew || isOwn) return
    const discards = asked.has(this.#pools)
    connection.hasOthersSequences = !discards
    if (discards) query(connection, 'DISCARD SEQUENCES').catch(() => connection.close())
  }

  /** The statement at hand is carried out in parts. */
  scatter(): void {
    this.#isScattered = true
  }

  /** After it, whether it has written or not. */
  endStatement(): void {
    if (this.#writing !== undefined) {
      this.#lastWritten = this.#isScattered ? undefined : this.#writing
      this.#writing = undefined
    }
    this.#isScattered = false
  }

  holdsOn(connection: BackendConnection): boolean {
    asked.add(this.#pools)
    return this.#isLast(connection)
  }

  /** Where the session has drawn last; undefined: on no one node, or others have drawn there since. */
  get nodeId(): number | undefined {
    const connection = this.#lastWritten
    return connection !== undefined && this.#isLast(connection) ? connection.node.nodeId : undefined
  }

  #isLast(connection: BackendConnection): boolean {
    // a statement of the same pipeline, whose answer hasn't come
    const isUnderWay = this.#writing !== undefined
    if (isUnderWay && (this.#isScattered || this.#writing !== connection)) return false
    const isOwn = connection.lastWriter === this && this.#lastWritten === connection
    return isOwn && !connection.hasOthersSequences
  }
}
