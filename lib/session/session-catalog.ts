import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, CatalogSource, ReadOnNode } from '../catalog/catalog.ts'
import { placementsDiffer } from '../catalog/placement-changes.ts'
import { query } from '../executor/node-client.ts'
import type { SessionTransaction } from '../executor/transaction/transaction.ts'
import type { TransactionFollower } from '../executor/transaction/transaction-follower.ts'
import { TransactionStatus } from '../wire/message-codes.ts'

/**
 * The catalog as one session sees it: the shared one, but inside a transaction that has changed tables or metadata one of
 * its own, read through that transaction's connections. Others see the change from its commit on.
 */
export class SessionCatalog implements CatalogSource, TransactionFollower {
  readonly #shared: CatalogSource
  #own: Catalog | undefined
  /** The transaction at hand has changed something. */
  #hasChanged = false
  #isStale = false
  /** The shared one when the block began, or was last found to have the same placements. */
  #atBegin: Catalog | undefined
  #isOvertaken = false

  constructor(shared: CatalogSource) {
    this.#shared = shared
  }

  current(): Catalog {
    return this.#own ?? this.#shared.current()
  }

  refresh(): Promise<Catalog> {
    return this.#shared.refresh()
  }

  readThrough(read: ReadOnNode, nodeIds: readonly number[]): Promise<Catalog> {
    return this.#shared.readThrough(read, nodeIds)
  }

  /** false: plans made now are of no use to others. */
  get isShared(): boolean {
    return this.#own === undefined
  }

  /** freshen() must come before the next statement is planned. */
  get isStale(): boolean {
    return this.#isStale || this.#hasNews || this.#isOvertaken
  }

  /** For the block at hand. */
  get #hasNews(): boolean {
    return this.#atBegin !== undefined && this.#atBegin !== this.#shared.current()
  }

  /**
   * Rows have been moved since the block took its snapshots: where they are now, these may not show them. Only blocks that keep
   * their snapshots have this; others see each statement's own.
   */
  checkNotOvertaken(): void {
    if (this.#isOvertaken) throw overtaken()
  }

  /** After each statement that may have changed something. */
  noteChange(): void {
    this.#hasChanged = true
    this.#isStale = true
  }

  /** Reads what there is to see now. Inside a failed transaction nothing can be read, nor need it be. */
  async freshen(transaction: SessionTransaction, signal: AbortSignal): Promise<void> {
    if (transaction.status === TransactionStatus.failed) return
    if (transaction.status === TransactionStatus.idle) {
      this.#hasChanged = false
      this.#isStale = false
      try {
        await this.#shared.refresh()
      } catch (error) {
        this.#isStale = true
        throw unreadable(error)
      }
      return
    }
    if (this.#hasNews) await this.#compare(transaction)
    if (!this.#isStale) return
    const nodeIds = transaction.connections.map(({ node }) => node.nodeId)
    const read: ReadOnNode = async (nodeId, text) => {
      const { rows } = await query(
        await transaction.connection(nodeId, 'read', signal),
        undone(text),
      )
      return rows[0]?.[0]
    }
    const catalog = await this.#shared.readThrough(read, nodeIds)
    this.#own = catalog === this.#shared.current() ? undefined : catalog
    this.#isStale = false
  }

  async #compare({ connections }: SessionTransaction): Promise<void> {
    const now = this.#shared.current()
    const [connection] = connections
    const before = this.#atBegin
    if (connection !== undefined && before !== undefined && placementsDiffer(before, now)) {
      const { rows } = await query(connection, 'SHOW transaction_isolation')
      this.#isOvertaken ||= KEEPS_SNAPSHOT.has(rows[0]?.[0] ?? '')
    }
    this.#atBegin = now
  }

  begin(): void {
    this.#own = undefined
    this.#atBegin = this.#shared.current()
  }

  commit(): void {
    this.#own = undefined
    this.#atBegin = undefined
    this.#isOvertaken = false
    this.#isStale = this.#hasChanged
  }

  rollback(): void {
    this.commit()
  }

  savepoint(): void {
    // what is seen stays the same
  }

  release(): void {
    // what is seen stays the same
  }

  rollbackTo(): void {
    this.#isStale = this.#hasChanged
  }
}

const KEEPS_SNAPSHOT: ReadonlySet<string> = new Set(['repeatable read', 'serializable'])

/** By the server's own SQLSTATE, if it has said one. */
function unreadable(cause: unknown): RouterError {
  if (cause instanceof RouterError) return cause
  const { code, message } = cause as { readonly code?: string; readonly message?: string }
  const sqlState = /^[0-9A-Z]{5}$/.test(code ?? '') ? code : undefined
  return new RouterError(
    sqlState ?? SqlState.connectionFailure,
    `the tables of the cluster could not be read from the coordinator: ${message}`,
    { cause },
  )
}

/** As Postgres says of rows that have changed. */
export function overtaken(): RouterError {
  return new RouterError(
    SqlState.serializationFailure,
    'could not serialize access: shards were moved while the transaction ran',
    { hint: 'Retry the transaction.' },
  )
}

/** With settings of our own, of which nothing stays: JIT would take a second to compile what runs in a millisecond. */
function undone(text: string): string {
  return `SAVEPOINT pgloom_catalog; SET LOCAL jit = off; SET LOCAL search_path = pg_catalog; ${text};
    ROLLBACK TO SAVEPOINT pgloom_catalog; RELEASE SAVEPOINT pgloom_catalog`
}
