import type { BackendConnection } from './backend-connection.ts'
import type { PoolMode } from './pool-options.ts'

/** What a borrower needs of the pool that lent. */
export interface LendingPool {
  readonly mode: PoolMode
  release(connection: BackendConnection, isTainted?: boolean): void
  /** One of its borrowers waits from now on. */
  borrowerBlocked(): void
}

/** Postgres' own deadlock_timeout: a statement that runs longer is likely to wait for somebody's lock. */
const STALL_MS = 1000

/**
 * Whoever holds connections, of several pools when a transaction spans nodes. What it does not give back
 * before it gets another one is what makes pools knot: see Pool.
 */
export class Borrower {
  readonly #held = new Map<BackendConnection, LendingPool>()
  #waits = 0
  /** Of the held connections when it was last looked at; -1: it moved since. */
  #answers = -1
  #movedAtMs = 0

  get holds(): number {
    return this.#held.size
  }

  /** Waits for a connection while others wait for what it holds. */
  get isWaiting(): boolean {
    return this.#waits > 0
  }

  poolOf(connection: BackendConnection): LendingPool | undefined {
    return this.#held.get(connection)
  }

  took(connection: BackendConnection, pool: LendingPool): void {
    this.#held.set(connection, pool)
    this.#answers = -1
  }

  gaveBack(connection: BackendConnection): void {
    this.#held.delete(connection)
    this.#answers = -1
  }

  startsWaiting(): void {
    this.#waits++
    if (this.#waits === 1 && this.#held.size > 0)
      for (const pool of new Set(this.#held.values())) pool.borrowerBlocked()
  }

  stopsWaiting(): void {
    this.#waits--
  }

  /** It will give nothing back before somebody else moves. Ask now and then: a stall is known by being seen twice. */
  isBlocked(nowMs: number): boolean {
    return this.isWaiting || this.#isStalled(nowMs)
  }

  #isStalled(nowMs: number): boolean {
    let answers = 0
    let isRunning = false
    for (const connection of this.#held.keys()) {
      answers += connection.answers
      isRunning ||= connection.openRequests > 0
    }
    if (!isRunning || answers !== this.#answers) this.#movedAtMs = nowMs
    this.#answers = answers
    return nowMs - this.#movedAtMs >= STALL_MS
  }
}

/** One that keeps what it has for its own good time, and never makes others wait for what it waits for: lanes. */
export class LastingBorrower extends Borrower {
  override get holds(): number {
    return 0
  }

  override isBlocked(): boolean {
    return true
  }
}
