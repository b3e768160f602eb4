import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { LocalPlan, PinReason } from '../../../planner/plan.ts'
import type { QueryTier, StatementContext } from '../../ports.ts'

/** A statement's context that remembers which nodes it was given for writing. */
export class WrittenNodes implements StatementContext {
  readonly #context: StatementContext
  readonly #written = new Map<number, BackendConnection>()

  constructor(context: StatementContext) {
    this.#context = context
  }

  get connections(): readonly BackendConnection[] {
    return [...this.#written.values()]
  }

  async connection(nodeId: number, access: 'read' | 'write'): Promise<BackendConnection> {
    const connection = await this.#context.connection(nodeId, access)
    if (access === 'write') this.#written.set(nodeId, connection)
    return connection
  }

  get catalog() {
    return this.#context.catalog
  }

  get client() {
    return this.#context.client
  }

  get signal() {
    return this.#context.signal
  }

  get isInTransaction() {
    return this.#context.isInTransaction
  }

  get cursors() {
    return this.#context.cursors
  }

  get spare() {
    return this.#context.spare
  }

  get consistently() {
    return this.#context.consistently
  }

  pin(nodeId: number, reason: PinReason): void {
    this.#context.pin(nodeId, reason)
  }

  taint(connection: BackendConnection): void {
    this.#context.taint(connection)
  }

  watch(connection: BackendConnection, local: LocalPlan): void {
    this.#context.watch(connection, local)
  }

  sideConnection(nodeId: number): Promise<BackendConnection> {
    return this.#context.sideConnection(nodeId)
  }

  atomically<T>(work: () => Promise<T>): Promise<T> {
    return this.#context.atomically(work)
  }

  transactionTime(): Promise<string> {
    return this.#context.transactionTime()
  }

  noteTier(tier: QueryTier): void {
    this.#context.noteTier(tier)
  }
}
