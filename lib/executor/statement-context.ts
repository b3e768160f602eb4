import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { LocalPlan, PinReason } from '../planner/plan.ts'
import { query } from './node-client.ts'
import type {
  ClientPort,
  OneMoment,
  QueryTier,
  SpareConnections,
  StatementContext,
} from './ports.ts'
import type { SessionCursors } from './transaction/session-cursors.ts'
import type { SparePools } from './transaction/spare-pools.ts'
import type { SessionTransaction } from './transaction/transaction.ts'

/** One statement's view of its session. The session calls end() when the statement is over, whatever came of it. */
export class SessionStatementContext implements StatementContext {
  readonly catalog: Catalog
  readonly client: ClientPort
  readonly signal: AbortSignal
  readonly #transaction: SessionTransaction
  readonly #side = new Set<BackendConnection>()
  /** Code of the user's has run on them. */
  readonly #tainted = new Set<BackendConnection>()
  #transactionTime: Promise<string> | undefined = undefined
  #tier: QueryTier | undefined = undefined
  #moment: OneMoment | undefined = undefined

  readonly #sparePools: SparePools | undefined

  constructor(
    transaction: SessionTransaction,
    catalog: Catalog,
    client: ClientPort,
    signal: AbortSignal,
    sparePools?: SparePools,
  ) {
    this.#sparePools = sparePools
    this.catalog = catalog
    this.client = client
    this.signal = signal
    this.#transaction = transaction
  }

  get isInTransaction(): boolean {
    return this.#transaction.isInBlock
  }

  get spare(): SpareConnections | undefined {
    const pools = this.#sparePools
    const isBound = this.#transaction.isInBlock || this.#transaction.pins.length > 0
    if (isBound || pools === undefined) return undefined
    return {
      maxPerNode: pools.maxPerNode,
      slowStartMs: pools.slowStartMs,
      has: (nodeId) => pools.has(nodeId),
      take: async (nodeId, signal) => {
        const connection = await this.#transaction.sideConnection(nodeId, signal)
        this.#side.add(connection)
        return connection
      },
    }
  }

  get cursors(): SessionCursors {
    return this.#transaction.cursors
  }

  pin(nodeId: number, reason: PinReason): void {
    this.#transaction.pin(nodeId, reason)
  }

  taint(connection: BackendConnection): void {
    this.#transaction.taint(connection)
  }

  watch(connection: BackendConnection, { pin, runsCode, setsSettings }: LocalPlan): void {
    if (this.#side.has(connection)) {
      if (runsCode) this.#tainted.add(connection)
      return
    }
    if (runsCode) this.#transaction.taint(connection)
    if (setsSettings.length > 0) this.#transaction.watchSettings(connection, setsSettings)
    if (pin !== undefined) this.#transaction.pin(connection.node.nodeId, pin)
  }

  connection(nodeId: number, access: 'read' | 'write'): Promise<BackendConnection> {
    if (access === 'write') this.#transaction.sequences.scatter()
    return this.#transaction.connection(nodeId, access, this.signal)
  }

  connectionNow(nodeId: number): BackendConnection | undefined {
    return this.#transaction.connectionNow(nodeId, 'read')
  }

  beside(nodeId: number): Promise<BackendConnection> | undefined {
    return this.#sparePools?.has(nodeId) === true ? this.sideConnection(nodeId) : undefined
  }

  async sideConnection(nodeId: number): Promise<BackendConnection> {
    const connection = await this.#transaction.sideConnection(nodeId, this.signal)
    this.#side.add(connection)
    return connection
  }

  atomically<T>(work: () => Promise<T>): Promise<T> {
    return this.#transaction.atomically(work)
  }

  get consistently(): StatementContext['consistently'] {
    const transaction = this.#transaction
    if (!transaction.consistency.isWanted) return undefined
    return (work) =>
      transaction.consistency.run(
        transaction,
        async (moment) => {
          this.#moment = moment
          try {
            return await work()
          } finally {
            this.#moment = undefined
          }
        },
        this.signal,
      )
  }

  get moment(): OneMoment | undefined {
    return this.#moment
  }

  transactionTime(): Promise<string> {
    this.#transactionTime ??= this.#askTransactionTime()
    return this.#transactionTime
  }

  noteTier(tier: QueryTier): void {
    this.#tier = tier
  }

  /** undefined: nothing was noted. */
  get tier(): QueryTier | undefined {
    return this.#tier
  }

  /** Gives the side connections back. */
  end(): void {
    for (const connection of this.#tainted) connection.close()
    for (const connection of this.#side) this.#transaction.releaseSide(connection)
    this.#side.clear()
  }

  async #askTransactionTime(): Promise<string> {
    const coordinatorId = this.catalog.nodes[0]?.nodeId ?? 0
    const connection = await this.connection(coordinatorId, 'read')
    const { rows } = await query(
      connection,
      `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'`,
    )
    return rows[0]?.[0] ?? ''
  }
}
