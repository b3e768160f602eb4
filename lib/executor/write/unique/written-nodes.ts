import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { LocalPlan, PinReason } from '../../../planner/plan.ts'
import type { QueryTier, StatementContext } from '../../ports.ts'
import type { Page } from './unique-changes.ts'

type Asking = (connection: BackendConnection) => Promise<readonly Page[]> | undefined

/** What was asked right behind a request, without waiting for its answer. */
type Asked = {
  readonly connection: BackendConnection
  readonly answer: Promise<readonly Page[]>
  /** Nothing was written there since. */
  isLast: boolean
}

/** A statement's context that remembers which nodes it was given for writing. */
export class WrittenNodes implements StatementContext {
  readonly #context: StatementContext
  readonly #asking: Asking
  readonly #written = new Map<number, BackendConnection>()
  #asked: Asked | undefined

  constructor(context: StatementContext, asking: Asking) {
    this.#context = context
    this.#asking = asking
  }

  get asked(): Asked | undefined {
    return this.#asked
  }

  sent(connection: BackendConnection): void {
    if (this.#asked !== undefined) return
    const answer = this.#asking(connection)
    // where the request itself fails, its error is told, not that of what came after
    answer?.catch(() => undefined)
    if (answer !== undefined) this.#asked = { connection, answer, isLast: true }
  }

  get connections(): readonly BackendConnection[] {
    return [...this.#written.values()]
  }

  async connection(nodeId: number, access: 'read' | 'write'): Promise<BackendConnection> {
    const connection = await this.#context.connection(nodeId, access)
    if (access === 'write') this.#written.set(nodeId, connection)
    if (this.#asked?.connection === connection) this.#asked.isLast = false
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

  get moment() {
    return this.#context.moment
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
