import { BackendLost, RouterError } from '../base/errors.ts'
import { RingQueue } from '../base/ring-queue.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { Borrower, LendingPool } from './borrower.ts'
import type { Settings } from './session-state.ts'

export type PoolOptions = {
  /** Most connections at once, those being made included. */
  readonly maxConnections: number
  readonly maxParallelConnects: number
  /** How long a request waits for a connection. */
  readonly acquireTimeoutMs: number
  /** An idle connection is closed after this. */
  readonly idleTimeoutMs: number
  /** A connection older than this is closed when it is idle. */
  readonly maxLifetimeMs: number
}

export type PoolStats = {
  readonly idle: number
  readonly busy: number
  readonly connecting: number
  readonly waiting: number
}

type Waiter = {
  readonly borrower: Borrower | undefined
  /** A connection beyond the bound is being made for it: it doesn't count as waiting any more. */
  isPromised: boolean
  readonly resolve: (connection: BackendConnection) => void
  readonly reject: (error: RouterError) => void
}

const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2000
/** How many idle connections are looked at for one that holds the wanted settings already. */
const SETTINGS_SEARCH_DEPTH = 8

/** Errors that may be gone in a moment: another attempt has to wait a little. All others are an answer. */
const TRANSIENT: ReadonlySet<string> = new Set([
  SqlState.connectionFailure,
  SqlState.tooManyConnections,
  SqlState.cannotConnectNow,
])

/** How often a full pool looks whether its borrowers still move, while one who waits holds connections himself. */
const KNOT_CHECK_MS = 250

/**
 * The connections of one (node, database, user): bounded, last used first, waiters in order of arrival. A borrowed
 * connection is the borrower's alone until release(), which keeps it only when it is proven idle.
 *
 * Knots: one who holds a connection of pool A and waits in B, while another holds B's and waits in A, would wait for
 * good. So when every borrower of a full pool waits for a connection himself, or for longer than a second for
 * an answer (a lock that a waiting one may hold), the first waiter who holds connections gets one beyond the bound. It is
 * closed when it comes back.
 */
export class Pool implements LendingPool {
  readonly #options: PoolOptions
  readonly #connect: () => Promise<BackendConnection>
  readonly #idle: { readonly connection: BackendConnection; readonly sinceMs: number }[] = []
  readonly #busy = new Map<BackendConnection, Borrower | undefined>()
  readonly #waiters = new RingQueue<Waiter>()
  #knotTimer: NodeJS.Timeout | undefined
  #connecting = 0
  #backoffMs = 0
  #backoffTimer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: PoolOptions, connect: () => Promise<BackendConnection>) {
    this.#options = options
    this.#connect = connect
  }

  get stats(): PoolStats {
    return {
      idle: this.#idle.length,
      busy: this.#busy.size,
      connecting: this.#connecting,
      waiting: this.#waiters.length,
    }
  }

  get isEmpty(): boolean {
    return this.#size === 0 && this.#waiters.length === 0
  }

  get #size(): number {
    return this.#idle.length + this.#busy.size + this.#connecting
  }

  /** An idle connection, preferably one that holds `settings`; undefined: none, or others have waited longer. */
  acquireNow(settings?: Settings, borrower?: Borrower): BackendConnection | undefined {
    if (this.#waiters.length > 0 || this.#isClosed || this.#isFull) return undefined
    return this.#takeIdle(settings, borrower)
  }

  get #isFull(): boolean {
    return this.#busy.size >= this.#options.maxConnections
  }

  #takeIdle(
    settings: Settings | undefined,
    borrower: Borrower | undefined,
  ): BackendConnection | undefined {
    const index = this.#indexOfBest(settings)
    const [best] = this.#idle.splice(index, 1)
    if (best === undefined) return undefined
    this.#lend(best.connection, borrower)
    return best.connection
  }

  #lend(connection: BackendConnection, borrower: Borrower | undefined): void {
    this.#busy.set(connection, borrower)
    borrower?.took(connection, this)
  }

  #indexOfBest(settings: Settings | undefined): number {
    const last = this.#idle.length - 1
    if (settings === undefined) return last
    const lowest = Math.max(0, this.#idle.length - SETTINGS_SEARCH_DEPTH)
    for (let i = last; i >= lowest; i--) {
      if (this.#idle[i]?.connection.settings.session === settings) return i
    }
    return last
  }

  /** Rejects with the server's own error where it refuses us, 53300 at the time limit, or the signal's reason. */
  acquire(
    signal?: AbortSignal,
    timeoutMs = this.#options.acquireTimeoutMs,
    settings?: Settings,
    borrower?: Borrower,
  ): Promise<BackendConnection> {
    if (this.#isClosed) return Promise.reject(closedError())
    if (signal?.aborted) return Promise.reject(abortReason(signal))
    const now = this.acquireNow(settings, borrower)
    if (now !== undefined) return Promise.resolve(now)
    return new Promise((resolve, reject) => {
      const giveUp = (error: RouterError) => {
        if (this.#waiters.remove(waiter)) waiter.reject(error)
      }
      const timer = setTimeout(() => giveUp(timeoutError()), timeoutMs)
      const onAbort = () => giveUp(abortReason(signal))
      const settled = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        if (!waiter.isPromised) borrower?.stopsWaiting()
      }
      const waiter: Waiter = {
        borrower,
        isPromised: false,
        resolve: (connection) => {
          settled()
          resolve(connection)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
      borrower?.startsWaiting()
      this.#grow()
      this.borrowerBlocked()
    })
  }

  /** Gives a borrowed connection back: kept when it is proven idle, else closed. */
  release(connection: BackendConnection): void {
    if (!this.#busy.has(connection)) return
    this.#busy.get(connection)?.gaveBack(connection)
    this.#busy.set(connection, undefined)
    connection.resume()
    connection.onAsynchronous = undefined
    if (connection.hasCancelInFlight && connection.openRequests === 0) {
      // still busy: the cancel could hit whoever came next
      void connection.cancelsSettled().then(() => this.release(connection))
      return
    }
    const isExcess = this.#size > this.#options.maxConnections
    const isKept = connection.isReusable && !isExcess && !this.#isOld(connection)
    if (!isKept || this.#isClosed) {
      connection.close()
      return
    }
    this.#busy.delete(connection)
    this.#offer(connection)
  }

  /** Closes what has been idle or has lived too long. */
  sweep(nowMs: number): void {
    for (const { connection, sinceMs } of [...this.#idle]) {
      const isStale = nowMs - sinceMs >= this.#options.idleTimeoutMs
      if (isStale || this.#isOld(connection)) connection.close()
    }
  }

  /** No more connections; borrowed ones are closed when they are given back. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#backoffTimer)
    clearTimeout(this.#knotTimer)
    for (const { connection } of [...this.#idle]) connection.close()
    this.#rejectAll(closedError())
  }

  #isOld(connection: BackendConnection): boolean {
    return Date.now() - connection.createdAtMs >= this.#options.maxLifetimeMs
  }

  #offer(connection: BackendConnection): void {
    this.#idle.push({ connection, sinceMs: Date.now() })
    this.#serve()
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#idle.length > 0 && !this.#isFull) {
      const waiter = this.#waiters.shift()
      const connection = this.#takeIdle(undefined, waiter?.borrower)
      if (connection !== undefined) waiter?.resolve(connection)
    }
  }

  /** Starts as many connects as there are waiters, within the bounds. */
  #grow(): void {
    if (this.#isClosed || this.#backoffTimer !== undefined) return
    const { maxConnections, maxParallelConnects } = this.#options
    while (
      this.#connecting < Math.min(this.#waiters.length, maxParallelConnects) &&
      this.#size < maxConnections
    ) {
      this.#connecting++
      this.#connect().then(
        (connection) => this.#connected(connection),
        (error: unknown) => this.#failed(error),
      )
    }
  }

  // -- knots ----------------------------------------------------------------------------------------------------

  borrowerBlocked(): void {
    if (this.#connecting > 0 || this.#size < this.#options.maxConnections || this.#isClosed) return
    const nowMs = Date.now()
    const borrowers = [...this.#busy.values()]
    // all are asked, not only until one moves: to ask is to see
    const blocked = borrowers.filter((borrower) => borrower?.isBlocked(nowMs) === true)
    const waiter = this.#waiters.find((one) => (one.borrower?.holds ?? 0) > 0)
    if (waiter === undefined) return
    if (blocked.length === borrowers.length) this.#connectBeyond(waiter)
    else this.#checkAgain()
  }

  #checkAgain(): void {
    if (this.#knotTimer !== undefined) return
    this.#knotTimer = setTimeout(() => {
      this.#knotTimer = undefined
      this.borrowerBlocked()
    }, KNOT_CHECK_MS)
  }

  #connectBeyond(waiter: Waiter): void {
    this.#connecting++
    waiter.isPromised = true
    waiter.borrower?.stopsWaiting()
    this.#connect().then(
      (connection) => this.#connectedBeyond(connection, waiter),
      (error: unknown) => this.#failed(error),
    )
  }

  #connectedBeyond(connection: BackendConnection, waiter: Waiter): void {
    this.#connecting--
    connection.onClosed = () => this.#forget(connection)
    if (this.#isClosed || !this.#waiters.remove(waiter)) {
      connection.close()
      return
    }
    if (connection.state === 'closed') {
      waiter.reject(new BackendLost('server connection is closed', false))
      return
    }
    this.#lend(connection, waiter.borrower)
    waiter.resolve(connection)
  }

  #connected(connection: BackendConnection): void {
    this.#connecting--
    this.#backoffMs = 0
    connection.onClosed = () => this.#forget(connection)
    if (connection.state === 'closed') this.#grow()
    else if (this.#isClosed) connection.close()
    else this.#offer(connection)
    this.#grow()
  }

  #failed(cause: unknown): void {
    this.#connecting--
    const error = cause instanceof RouterError ? cause : new BackendLost(String(cause), false)
    const isTransient = TRANSIENT.has(error.sqlState)
    if (isTransient) this.#backOff()
    // a full server gives our waiters nothing new, but what we hold will come back to them
    const mayBeServed = error.sqlState === SqlState.tooManyConnections && this.#busy.size > 0
    if (!mayBeServed) this.#rejectAll(error)
    this.#grow()
  }

  #backOff(): void {
    if (this.#backoffTimer !== undefined) return
    this.#backoffMs = Math.min(Math.max(FIRST_BACKOFF_MS, this.#backoffMs * 2), MAX_BACKOFF_MS)
    this.#backoffTimer = setTimeout(() => {
      this.#backoffTimer = undefined
      this.#grow()
    }, this.#backoffMs)
  }

  /** The connection is closed, by whomever. */
  #forget(connection: BackendConnection): void {
    const index = this.#idle.findIndex((entry) => entry.connection === connection)
    if (index >= 0) this.#idle.splice(index, 1)
    this.#busy.get(connection)?.gaveBack(connection)
    this.#busy.delete(connection)
    this.#serve()
    this.#grow()
  }

  #rejectAll(error: RouterError): void {
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift()) {
      waiter.reject(error)
    }
  }
}

function timeoutError(): RouterError {
  return new RouterError(SqlState.tooManyConnections, 'timed out waiting for a server connection', {
    hint: 'Raise the pool size, or look for transactions that stay open.',
  })
}

function closedError(): RouterError {
  return new RouterError(SqlState.cannotConnectNow, 'the connection pool is shutting down')
}

function abortReason(signal: AbortSignal | undefined): RouterError {
  const reason: unknown = signal?.reason
  if (reason instanceof RouterError) return reason
  return new RouterError(SqlState.queryCanceled, 'canceling statement due to user request', {
    cause: reason,
  })
}
