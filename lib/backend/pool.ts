import { BackendLost, RouterError } from '../base/errors.ts'
import { RingQueue } from '../base/ring-queue.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { BackendConnection } from './backend-connection.ts'
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

/**
 * The connections of one (node, database, user): bounded, last used first, waiters in order of arrival. A borrowed
 * connection is the borrower's alone until release(), which keeps it only when it is proven idle.
 */
export class Pool {
  readonly #options: PoolOptions
  readonly #connect: () => Promise<BackendConnection>
  readonly #idle: { readonly connection: BackendConnection; readonly sinceMs: number }[] = []
  readonly #busy = new Set<BackendConnection>()
  readonly #waiters = new RingQueue<Waiter>()
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
  acquireNow(settings?: Settings): BackendConnection | undefined {
    if (this.#waiters.length > 0 || this.#isClosed || this.#isFull) return undefined
    return this.#takeIdle(settings)
  }

  get #isFull(): boolean {
    return this.#busy.size >= this.#options.maxConnections
  }

  #takeIdle(settings: Settings | undefined): BackendConnection | undefined {
    const index = this.#indexOfBest(settings)
    const [best] = this.#idle.splice(index, 1)
    if (best === undefined) return undefined
    this.#busy.add(best.connection)
    return best.connection
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
  ): Promise<BackendConnection> {
    if (this.#isClosed) return Promise.reject(closedError())
    if (signal?.aborted) return Promise.reject(abortReason(signal))
    const now = this.acquireNow(settings)
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
      }
      const waiter: Waiter = {
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
      this.#grow()
    })
  }

  /**
   * For a borrower that holds connections of other pools already. If he waited here while others with a connection of
   * ours wait for his, all would wait for good: so the bound doesn't hold for him. The excess is at most the number of
   * connections that all other pools lend; it is closed when it has been idle for a while.
   */
  async acquireBeyond(settings?: Settings): Promise<BackendConnection> {
    if (this.#isClosed) throw closedError()
    const idle = this.#takeIdle(settings)
    if (idle !== undefined) return idle
    this.#connecting++
    try {
      const connection = await this.#connect()
      connection.onClosed = () => this.#forget(connection)
      this.#busy.add(connection)
      return connection
    } finally {
      this.#connecting--
      this.#grow()
    }
  }

  /** Gives a borrowed connection back: kept when it is proven idle, else closed. */
  release(connection: BackendConnection): void {
    if (!this.#busy.has(connection)) return
    connection.resume()
    connection.onAsynchronous = undefined
    if (connection.hasCancelInFlight && connection.openRequests === 0) {
      // still busy: the cancel could hit whoever came next
      void connection.cancelsSettled().then(() => this.release(connection))
      return
    }
    const isKept = connection.isReusable && !this.#isOld(connection) && !this.#isClosed
    if (!isKept) {
      connection.close()
      return
    }
    this.#busy.delete(connection)
    this.#offer(connection)
  }

  /** Closes what has been idle or has lived too long. */
  sweep(nowMs: number): void {
    for (const { connection, sinceMs } of [...this.#idle]) {
      const isSpare = this.#size > this.#options.maxConnections
      const isStale = nowMs - sinceMs >= this.#options.idleTimeoutMs || this.#isOld(connection)
      if (isStale || isSpare) connection.close()
    }
  }

  /** No more connections; borrowed ones are closed when they are given back. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#backoffTimer)
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
      const connection = this.#takeIdle(undefined)
      const waiter = this.#waiters.shift()
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
