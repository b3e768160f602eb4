import { nowMs } from '../base/clock.ts'
import { BackendLost, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { Borrower, LendingPool } from './borrower.ts'
import { checkAlive, DISCARD_ALL, mend } from './connection-care.ts'
import type { SlotHolder, SlotLease, SlotNeed } from './connection-slots.ts'
import { NO_NEED } from './connection-slots.ts'
import { type Idle, IdleConnections } from './idle-connections.ts'
import { LoginFailures } from './login-failures.ts'
import { abortReason, closedError, waitTimeoutError } from './pool-errors.ts'
import type { ConnectionUse, PoolFigures, PoolStats } from './pool-figures.ts'
import type { PoolMode, PoolOptions } from './pool-options.ts'
import type { Settings } from './session-state.ts'
import { type ConnectionAwaiter, Waiter, WaitQueue, waitAsPromise } from './wait-queue.ts'

/** What a check or a cleaning may take; then the connection is closed. */
const CARE_TIMEOUT_MS = 10_000
const LIFETIME_JITTER = 0.2

/**
 * The connections of one (node, database, user): last used first, waiters in order of arrival. A borrowed
 * connection is the borrower's alone until release(), which mends what was left unfinished on it.
 * How many there may be is said by the slots: one is asked for before each connect.
 *
 *     connecting -> idle <-> busy -> (mended, cleaned, checked: in care) -> idle         any -> closed
 *
 * Knots: one who holds a connection of pool A and waits in B, while another holds B's and waits in A, would wait for
 * good. So when every borrower of a full pool waits for a connection himself, or for longer than a second for
 * an answer (a lock that a waiting one may hold), the first waiter who holds connections gets one beyond the bound. It is
 * closed when it comes back.
 */
export class Pool implements LendingPool, SlotHolder {
  /** Somebody waits and nothing is idle: who keeps connections for long may give one back. */
  onStarving: (() => void) | undefined
  #options: PoolOptions
  readonly #connect: () => Promise<BackendConnection>
  readonly #lease: SlotLease
  readonly #idle = new IdleConnections()
  readonly #busy = new Map<BackendConnection, Borrower | undefined>()
  readonly #inCare = new Set<BackendConnection>()
  readonly #waiters = new WaitQueue()
  readonly #expiresAtMs = new Map<BackendConnection, number>()
  readonly #failures = new LoginFailures()
  #connecting = 0
  /** Of those in care: will serve a waiter when they prove alive. */
  #checks = 0
  #said: SlotNeed = NO_NEED
  /** So many are closed for other pools when they come back. */
  #owed = 0
  #usedAtMs = Number.NEGATIVE_INFINITY
  #isPaused = false
  #isClosed = false

  constructor(
    options: PoolOptions,
    connect: () => Promise<BackendConnection>,
    join: (holder: SlotHolder) => SlotLease,
  ) {
    this.#options = options
    this.#connect = connect
    this.#lease = join(this)
  }

  get mode(): PoolMode {
    return this.#options.mode
  }

  get stats(): PoolStats {
    return {
      idle: this.#idle.length,
      busy: this.#busy.size + this.#inCare.size,
      connecting: this.#connecting,
      waiting: this.#waiters.length,
    }
  }

  get isEmpty(): boolean {
    return this.#size === 0 && this.#waiters.length === 0
  }

  /** Someone waits for a connection. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get options(): PoolOptions {
    return this.#options
  }

  get #size(): number {
    return this.#idle.length + this.#busy.size + this.#inCare.size + this.#connecting
  }

  // -- lending --------------------------------------------------------------------------------------------------

  /**
   * An idle connection, preferably one that holds `settings`, if `mustHold` no other; undefined: none, or others have waited
   * longer.
   */
  acquireNow(
    settings?: Settings,
    borrower?: Borrower,
    mustHold = false,
  ): BackendConnection | undefined {
    if (this.#waiters.length > 0 || this.#isClosed || this.#isPaused) return undefined
    const best = this.#idle.best(settings, this.#options.isRoundRobin)
    if (best === undefined || this.#needsCheck(best)) return undefined
    if (mustHold && best.connection.settings.session !== settings) return undefined
    this.#idle.remove(best)
    return this.#lend(best.connection, borrower)
  }

  /** Rejects with the server's own error where it refuses us, query_wait_timeout, or the signal's reason. */
  acquire(
    signal?: AbortSignal,
    settings?: Settings,
    borrower?: Borrower,
  ): Promise<BackendConnection> {
    if (this.#isClosed) return Promise.reject(closedError())
    if (signal?.aborted) return Promise.reject(abortReason(signal))
    const failure = this.#size === 0 ? this.#failures.error : undefined
    if (failure !== undefined) return Promise.reject(failure)
    const now = this.acquireNow(settings, borrower)
    if (now !== undefined) return Promise.resolve(now)
    return waitAsPromise(
      signal,
      (awaiter) => this.#enter(awaiter, settings, borrower),
      (waiter) => this.#waiters.remove(waiter),
      abortReason,
    )
  }

  /** As acquire, without a promise; undefined: that rejects. */
  enqueue(awaiter: ConnectionAwaiter, settings: Settings, borrower: Borrower): Waiter | undefined {
    if (this.#isClosed || (this.#size === 0 && this.#failures.error !== undefined)) return undefined
    return this.#enter(awaiter, settings, borrower)
  }

  /** false: it has been served or refused. Else it is told nothing any more. */
  withdraw(waiter: Waiter): boolean {
    if (!this.#waiters.remove(waiter)) return false
    if (!waiter.isPromised) waiter.borrower?.stopsWaiting()
    return true
  }

  /** Gives a borrowed connection back, in whatever state. `isTainted`: it is cleaned before anyone else gets it. */
  release(connection: BackendConnection, isTainted = false): void {
    if (!this.#busy.has(connection)) return
    this.#busy.get(connection)?.gaveBack(connection)
    this.#busy.delete(connection)
    connection.resume()
    connection.onAsynchronous = undefined
    if (this.#isUnwanted(connection)) {
      this.#inCare.add(connection)
      connection.close()
      return
    }
    const isSession = this.#options.mode === 'session'
    const configured = isSession || this.#options.resetsAlways ? this.#options.resetQuery : ''
    const reset = isTainted && configured === '' ? DISCARD_ALL : configured
    if (reset === '' && connection.isReusable) this.#offer(connection)
    else this.#care(connection, mend(connection, reset, CARE_TIMEOUT_MS))
  }

  #enter(
    awaiter: ConnectionAwaiter,
    settings: Settings | undefined,
    borrower: Borrower | undefined,
  ): Waiter {
    const atMs = nowMs()
    const { acquireTimeoutMs } = this.#options
    const deadlineMs = acquireTimeoutMs > 0 ? atMs + acquireTimeoutMs : Number.POSITIVE_INFINITY
    const waiter = new Waiter(awaiter, settings, borrower, atMs, deadlineMs)
    this.#waiters.push(waiter)
    this.#usedAtMs = atMs
    this.#serve()
    // tick() looks at all who wait; only this one is new
    this.#say(this.#said.isUrgent || waiter.isHolder)
    if (this.#waiters.length > 0) this.onStarving?.()
    return waiter
  }

  #lend(connection: BackendConnection, borrower: Borrower | undefined): BackendConnection {
    this.#busy.set(connection, borrower)
    borrower?.took(connection, this)
    return connection
  }

  #needsCheck({ sinceMs }: Idle): boolean {
    const { checkQuery, checkDelayMs } = this.#options
    return checkQuery !== '' && nowMs() - sinceMs > checkDelayMs
  }

  #isUnwanted(connection: BackendConnection): boolean {
    if (this.#isClosed || this.#isPaused || this.#isOld(connection)) return true
    if (this.#owed > 0) {
      this.#owed--
      return true
    }
    const { maxConnections, reserveConnections } = this.#options
    const isBounded = maxConnections > 0
    return isBounded && this.#size >= maxConnections + reserveConnections
  }

  #isOld(connection: BackendConnection): boolean {
    return nowMs() >= (this.#expiresAtMs.get(connection) ?? 0)
  }

  #offer(connection: BackendConnection): void {
    this.#idle.push({ connection, sinceMs: nowMs() })
    if (this.#isPaused) connection.close()
    this.#serve()
  }

  #serve(): void {
    while (this.#waiters.length > 0 && !this.#isPaused) {
      const best = this.#idle.best(this.#waiters.peek()?.settings, this.#options.isRoundRobin)
      if (best === undefined) return
      if (this.#needsCheck(best)) {
        if (this.#checks >= this.#waiters.length) return
        this.#idle.remove(best)
        this.#check(best.connection)
        continue
      }
      this.#idle.remove(best)
      const waiter = this.#waiters.shift()
      if (waiter !== undefined) this.#hand(best.connection, waiter)
    }
  }

  #hand(connection: BackendConnection, waiter: Waiter): void {
    this.#lend(connection, waiter.borrower)
    waiter.serve(connection)
  }

  #check(connection: BackendConnection): void {
    this.#checks++
    const check = checkAlive(connection, this.#options.checkQuery, CARE_TIMEOUT_MS)
    this.#care(
      connection,
      check.finally(() => {
        this.#checks--
      }),
    )
  }

  #care(connection: BackendConnection, work: Promise<void>): void {
    this.#inCare.add(connection)
    const done = (isGood: boolean) => {
      if (!this.#inCare.delete(connection)) return
      if (isGood && connection.isReusable && !this.#isClosed) {
        this.#offer(connection)
        return
      }
      this.#inCare.add(connection)
      connection.close()
    }
    work.then(
      () => done(true),
      () => done(false),
    )
  }

  // -- connecting -----------------------------------------------------------------------------------------------

  #need(isUrgent = this.#waiters.firstHolder() !== undefined): SlotNeed {
    if (this.#isClosed || this.#failures.error !== undefined) return NO_NEED
    if (this.#isPaused) return this.#needOfHolder()
    const { maxParallelConnects, minConnections, isStanding } = this.#options
    const demand = this.#waiters.length - this.#connecting - this.#checks
    const unusedMs = nowMs() - this.#usedAtMs
    const isInUse = unusedMs < (this.#options.idleTimeoutMs || Number.POSITIVE_INFINITY)
    const missing = isInUse || isStanding ? minConnections - this.#size : 0
    const wanted = Math.min(Math.max(demand, missing), maxParallelConnects - this.#connecting)
    if (wanted <= 0) return NO_NEED
    return { wanted, isLate: this.#isLate, isUrgent }
  }

  /** A pause waits for transactions, so they must not wait for its end. */
  #needOfHolder(): SlotNeed {
    if (this.#connecting > 0 || this.#waiters.firstHolder() === undefined) return NO_NEED
    return { wanted: 1, isLate: false, isUrgent: true }
  }

  get #isLate(): boolean {
    const since = this.#waiters.oldestSinceMs
    const { reserveTimeoutMs } = this.#options
    return since !== undefined && reserveTimeoutMs > 0 && nowMs() - since >= reserveTimeoutMs
  }

  /** Tells the slots what is needed, when that has changed. */
  #say(urgency?: boolean): void {
    const need = this.#need(urgency)
    const { wanted, isLate, isUrgent } = this.#said
    if (need.wanted === wanted && need.isLate === isLate && need.isUrgent === isUrgent) return
    this.#said = need
    this.#lease.ask(need)
  }

  granted(count: number): void {
    this.#said = { ...this.#said, wanted: this.#said.wanted - count }
    for (let given = 0; given < count; given++) {
      if (this.#need().wanted > 0) this.#logIn()
      else this.#lease.giveBack(1)
    }
  }

  #logIn(): void {
    const { maxConnections, reserveConnections } = this.#options
    const isBeyond = maxConnections > 0 && this.#size >= maxConnections + reserveConnections
    const promised = isBeyond || this.#isPaused ? this.#waiters.firstHolder() : undefined
    promised?.promise()
    this.#connecting++
    this.#connect().then(
      (connection) => this.#connected(connection, promised),
      (error: unknown) => this.#failed(error),
    )
  }

  #connected(connection: BackendConnection, promised: Waiter | undefined): void {
    this.#connecting--
    this.#failures.succeeded()
    const jitter = 1 - Math.random() * LIFETIME_JITTER
    this.#expiresAtMs.set(connection, nowMs() + this.#options.maxLifetimeMs * jitter)
    this.#inCare.add(connection)
    connection.onClosed = () => this.#forget(connection)
    if (connection.state === 'closed') {
      this.#forget(connection)
      const isWaiting = promised !== undefined && this.#waiters.remove(promised)
      if (isWaiting) promised.refuse(new BackendLost('server connection is closed', false))
    } else if (this.#isClosed) connection.close()
    else {
      this.#inCare.delete(connection)
      if (promised !== undefined && this.#waiters.remove(promised)) this.#hand(connection, promised)
      else this.#offer(connection)
    }
    this.#say()
  }

  #failed(cause: unknown): void {
    this.#connecting--
    const error = cause instanceof RouterError ? cause : new BackendLost(String(cause), false)
    this.#failures.failed(error, this.#options.loginRetryMs)
    this.#lease.giveBack(1)
    // a full server gives our waiters nothing new, but what we hold will come back to them
    const mayBeServed = error.sqlState === SqlState.tooManyConnections && this.#size > 0
    if (!mayBeServed) this.#waiters.rejectAll(error)
    this.#say()
  }

  /** The connection is closed, by whomever. */
  #forget(connection: BackendConnection): void {
    this.#idle.forget(connection)
    this.#busy.get(connection)?.gaveBack(connection)
    this.#busy.delete(connection)
    this.#inCare.delete(connection)
    if (!this.#expiresAtMs.delete(connection)) return
    this.#lease.giveBack(1)
    this.#serve()
    this.#say()
  }

  // -- bounds ---------------------------------------------------------------------------------------------------

  surrender(isFair: boolean): boolean {
    const { oldest } = this.#idle
    if (oldest !== undefined && this.#waiters.length === 0) {
      oldest.connection.close()
      return true
    }
    if (!isFair || this.#busy.size <= this.#owed) return false
    this.#owed++
    return true
  }

  isBlocked(): boolean {
    if (this.#size > this.#busy.size) return false
    const atMs = nowMs()
    // all are asked, not only until one moves: to ask is to see who stalls
    const blocked = [...this.#busy.values()].filter((borrower) => borrower?.isBlocked(atMs))
    return blocked.length === this.#busy.size
  }

  borrowerBlocked(): void {
    const need = this.#need()
    if (need.isUrgent) this.#lease.ask(need)
  }

  // -- time and commands ----------------------------------------------------------------------------------------

  /** To be called a few times a second. */
  tick(atMs: number): void {
    if (this.#waiters.length > 0) {
      this.#waiters.expire(atMs, waitTimeoutError)
      this.#serve()
    }
    this.#say()
  }

  /** Closes what has been idle or has lived too long. */
  sweep(atMs: number): void {
    const { idleTimeoutMs, minConnections } = this.#options
    for (const { connection, sinceMs } of this.#idle.list()) {
      const isIdle = idleTimeoutMs > 0 && atMs - sinceMs >= idleTimeoutMs
      const isSpare = isIdle && this.#size > minConnections
      if (isSpare || this.#isOld(connection)) connection.close()
    }
  }

  /** New options hold from now on; nobody is dropped. */
  reload(options: PoolOptions): void {
    this.#options = options
    this.#serve()
    this.#say()
  }

  /** Lends nothing more, but to those who hold connections already, until resume(); what is idle is closed, what comes back too. */
  pause(): void {
    this.#isPaused = true
    for (const { connection } of this.#idle.list()) connection.close()
    this.#say()
  }

  resume(): void {
    this.#isPaused = false
    this.#serve()
    this.#say()
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get hasNoConnection(): boolean {
    return this.#size === 0
  }

  /** Replaces all connections, each when it is next free. */
  reconnect(): void {
    for (const connection of this.#expiresAtMs.keys()) this.#expiresAtMs.set(connection, 0)
    for (const { connection } of this.#idle.list()) connection.close()
    this.#failures.succeeded()
    this.#say()
  }

  /** Ends everything at once; the pool goes on. */
  kill(error: RouterError): void {
    this.#waiters.rejectAll(error)
    for (const connection of [...this.#expiresAtMs.keys()]) connection.close(error)
  }

  /** No more connections; borrowed ones are closed when they are given back. */
  close(): void {
    this.#isClosed = true
    for (const { connection } of this.#idle.list()) connection.close()
    this.#waiters.rejectAll(closedError())
    this.#lease.leave()
  }

  // -- figures --------------------------------------------------------------------------------------------------

  figures(atMs = nowMs()): PoolFigures {
    const used = this.#idle.list().filter((entry) => this.#needsCheck(entry)).length
    const since = this.#waiters.oldestSinceMs
    return {
      cl_waiting: this.#waiters.length,
      sv_active: this.#busy.size,
      sv_idle: this.#idle.length - used,
      sv_used: used,
      sv_tested: this.#inCare.size,
      sv_login: this.#connecting,
      maxwait_ms: since === undefined ? 0 : atMs - since,
      pool_mode: this.#options.mode,
    }
  }

  connections(): ConnectionUse[] {
    const uses = [
      ...[...this.#busy.keys()].map((connection) => ({ connection, use: 'active' as const })),
      ...this.#idle.list().map((entry) => ({
        connection: entry.connection,
        use: this.#needsCheck(entry) ? ('used' as const) : ('idle' as const),
      })),
      ...[...this.#inCare].map((connection) => ({ connection, use: 'tested' as const })),
    ]
    return uses.map((one) => ({
      ...one,
      isCloseNeeded: this.#expiresAtMs.get(one.connection) === 0,
    }))
  }
}
