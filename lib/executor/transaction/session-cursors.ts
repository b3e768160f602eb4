import type { Shard } from '../../catalog/catalog.ts'
import type { TransactionFollower } from './transaction-follower.ts'

export type SessionCursor = {
  readonly nodeId: number
  readonly isHeld: boolean
  /** FETCH may write, if the cursor's query calls functions that do. */
  readonly isReadOnly: boolean
  /** undefined: its rows are not those of one shard. */
  readonly shard: Shard | undefined
}

type Entry = SessionCursor & {
  /** Savepoints in force when it was declared; OUTLIVES: it is held, and its transaction has committed. */
  depth: number
}

const OUTLIVES = -1

/**
 * Which node each cursor of the session lives on; those that functions open are unknown here, and live on the
 * coordinator. Names are unique over all nodes. As in Postgres a cursor ends with its transaction or with ROLLBACK TO
 * a savepoint older than itself, CLOSE is never undone, and WITH HOLD outlives a commit.
 */
export class SessionCursors implements TransactionFollower {
  readonly #cursors = new Map<string, Entry>()
  readonly #savepoints: string[] = []
  #isInBlock = false

  find(name: string): SessionCursor | undefined {
    return this.#cursors.get(name)
  }

  get nodeIds(): ReadonlySet<number> {
    return new Set([...this.#cursors.values()].map(({ nodeId }) => nodeId))
  }

  declare(name: string, cursor: SessionCursor): void {
    const depth = this.#isInBlock ? this.#savepoints.length : OUTLIVES
    if (depth === OUTLIVES && !cursor.isHeld) return
    this.#cursors.set(name, { ...cursor, depth })
  }

  close(name: string): void {
    this.#cursors.delete(name)
  }

  closeAll(): void {
    this.#cursors.clear()
  }

  begin(): void {
    this.#isInBlock = true
    this.#forgetSavepoints()
  }

  commit(): void {
    this.#end()
    for (const [name, cursor] of this.#cursors) {
      if (cursor.isHeld) cursor.depth = OUTLIVES
      else this.#cursors.delete(name)
    }
  }

  rollback(): void {
    this.#end()
    this.#dropFrom(OUTLIVES + 1)
  }

  savepoint(name: string): void {
    this.#savepoints.push(name)
  }

  release(name: string): void {
    const index = this.#savepoints.lastIndexOf(name)
    this.#savepoints.length = Math.max(0, index)
    for (const cursor of this.#cursors.values()) cursor.depth = Math.min(cursor.depth, index)
  }

  rollbackTo(name: string): void {
    const count = this.#savepoints.lastIndexOf(name) + 1
    this.#savepoints.length = count
    this.#dropFrom(count)
  }

  #end(): void {
    this.#isInBlock = false
    this.#forgetSavepoints()
  }

  #forgetSavepoints(): void {
    // to set a length costs more than to ask for it
    if (this.#savepoints.length > 0) this.#savepoints.length = 0
  }

  #dropFrom(depth: number): void {
    for (const [name, cursor] of this.#cursors) {
      if (cursor.depth >= depth) this.#cursors.delete(name)
    }
  }
}
