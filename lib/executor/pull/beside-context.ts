import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { query } from '../node-client.ts'
import type { ClientPort, QueryTier, StatementContext } from '../ports.ts'
import type { SessionCursors } from '../transaction/session-cursors.ts'

/** Who waits here may wait for his own block, which no server can see. */
const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; SET LOCAL lock_timeout = '1s'`

/**
 * A statement's world in which it reads by a transaction of its own beside the client's, one connection a node: temporary tables may be
 * made there. Nothing else is.
 */
export class BesideContext implements StatementContext {
  readonly isInTransaction = true
  readonly #client: StatementContext
  readonly #connections = new Map<number, Promise<BackendConnection>>()

  constructor(client: StatementContext) {
    this.#client = client
  }

  get catalog(): Catalog {
    return this.#client.catalog
  }

  get client(): ClientPort {
    return this.#client.client
  }

  get signal(): AbortSignal {
    return this.#client.signal
  }

  get cursors(): SessionCursors {
    return this.#client.cursors
  }

  connection(nodeId: number): Promise<BackendConnection> {
    const known = this.#connections.get(nodeId)
    if (known !== undefined) return known
    const opened = this.#open(nodeId)
    this.#connections.set(nodeId, opened)
    return opened
  }

  sideConnection(nodeId: number): Promise<BackendConnection> {
    return this.#client.sideConnection(nodeId)
  }

  atomically<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }

  transactionTime(): Promise<string> {
    return this.#client.transactionTime()
  }

  noteTier(tier: QueryTier): void {
    this.#client.noteTier(tier)
  }

  pin(): void {
    throw new Error('nothing is left behind beside the client’s transaction')
  }

  taint(connection: BackendConnection): void {
    this.#client.taint(connection)
  }

  watch(): void {
    throw new Error('only plain reads go beside the client’s transaction')
  }

  /** Takes the tables with it. The connections go back when the statement ends. */
  async end(): Promise<void> {
    const opened = await Promise.allSettled(this.#connections.values())
    const connections = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const living = connections.filter(({ state }) => state === 'ready')
    await Promise.allSettled(living.map((connection) => query(connection, 'ROLLBACK')))
  }

  async #open(nodeId: number): Promise<BackendConnection> {
    const connection = await this.#client.sideConnection(nodeId)
    await query(connection, BEGIN)
    return connection
  }
}
