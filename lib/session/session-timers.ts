import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Backend, LockWaitObserver } from '../executor/transaction/lock-waiter.ts'

/** 0: no limit. Names and meaning are PgBouncer's. */
export type SessionLimits = {
  readonly queryTimeoutMs: number
  readonly transactionTimeoutMs: number
  readonly idleTransactionTimeoutMs: number
  readonly clientIdleTimeoutMs: number
}

export const NO_LIMITS: SessionLimits = {
  queryTimeoutMs: 0,
  transactionTimeoutMs: 0,
  idleTransactionTimeoutMs: 0,
  clientIdleTimeoutMs: 0,
}

export type Login = { readonly database: string; readonly user: string }

export type TimeLimits = {
  readonly loginTimeoutMs: number
  /** Who has waited so long for a server connection is told so; 0: nobody. */
  readonly waitNotifyMs: number
  readonly of: (login: Login) => SessionLimits
}

export type Activity = 'logging in' | 'idle' | 'running' | 'idle in transaction' | 'leaving'

/** session-servers.ts is one. */
export interface TimedServers {
  readonly waitingSinceMs: number
  /** That act for the statement at hand. */
  readonly backends: readonly Backend[]
  readonly blockOpenedAtMs: number
  tellOfWait(): void
  abandon(): void
}

/** What can be seen of a session from outside, at any time. */
export interface TimedSession {
  readonly id: number
  readonly activity: Activity
  /** Changes with each statement. */
  readonly statementNumber: number
  /** Of the transaction block; 0: outside of any. */
  readonly blockNumber: number
  /** undefined: it has not logged in. */
  readonly login: Login | undefined
  readonly servers: TimedServers | undefined
  /** FATAL: the session is to be ended with this error; else the statement at hand is to be cancelled with it. */
  refuse(error: RouterError): void
}

type Watched = {
  limits: SessionLimits | undefined
  activity: Activity
  statement: number
  sinceMs: number
  /** 0: outside of a block. */
  block: number
  blockSinceMs: number
  /** 0: it has not timed out. */
  timedOutAtMs: number
  /** Of the wait that it was told of. */
  toldSinceMs: number
}

const SWEEP_MS = 100
/** What is left of a session, or of a statement that was refused, may take so long to end; then its server is given up. */
const ABANDON_MS = 10_000

/**
 * The time limits of all sessions. Nothing is done when a statement begins or ends: one sweep over all sessions, a few times a
 * second, sees what has changed since the last. A limit is so kept to within a tenth of a second.
 */
export class SessionTimers {
  #limits: TimeLimits
  readonly #abandonMs: number
  /** Of a database; undefined: locks of its servers are their own affair. */
  readonly #lockWaits: (database: string) => LockWaitObserver | undefined
  readonly #sessions = new Map<TimedSession, Watched>()
  #ticker: NodeJS.Timeout | undefined

  constructor(
    limits: TimeLimits,
    abandonMs = ABANDON_MS,
    lockWaits: (database: string) => LockWaitObserver | undefined = () => undefined,
  ) {
    this.#limits = limits
    this.#abandonMs = abandonMs
    this.#lockWaits = lockWaits
  }

  /** New limits hold from now on, for those who are here too. */
  reload(limits: TimeLimits): void {
    this.#limits = limits
    for (const watched of this.#sessions.values()) watched.limits = undefined
  }

  /** Until unwatch(). */
  watch(session: TimedSession): void {
    this.#sessions.set(session, {
      limits: undefined,
      activity: 'logging in',
      statement: 0,
      sinceMs: performance.now(),
      block: 0,
      blockSinceMs: 0,
      timedOutAtMs: 0,
      toldSinceMs: 0,
    })
    this.#ticker ??= setInterval(() => this.sweep(performance.now()), SWEEP_MS).unref()
  }

  unwatch(session: TimedSession): void {
    this.#sessions.delete(session)
    if (this.#sessions.size > 0) return
    clearInterval(this.#ticker)
    this.#ticker = undefined
  }

  sweep(nowMs: number): void {
    for (const [session, watched] of this.#sessions) {
      observe(session, watched, nowMs)
      if (isOver(nowMs - endSince(watched), this.#abandonMs)) session.servers?.abandon()
      if (watched.timedOutAtMs > 0 || watched.activity === 'leaving') continue
      this.#tellOfWait(session, watched)
      if (watched.activity === 'running') this.#tellOfLockWait(session, watched, nowMs)
      const error = this.#excess(session, watched, nowMs)
      if (error === undefined) continue
      watched.timedOutAtMs = nowMs
      session.refuse(error)
    }
  }

  #tellOfWait(session: TimedSession, watched: Watched): void {
    const { waitNotifyMs } = this.#limits
    const { servers } = session
    const sinceMs = servers?.waitingSinceMs ?? 0
    if (sinceMs === 0 || sinceMs === watched.toldSinceMs) return
    if (!isOver(performance.now() - sinceMs, waitNotifyMs)) return
    watched.toldSinceMs = sinceMs
    servers?.tellOfWait()
  }

  #tellOfLockWait(session: TimedSession, watched: Watched, nowMs: number): void {
    const { login, servers } = session
    const { statement, sinceMs } = watched
    if (login === undefined || servers === undefined) return
    const observer = this.#lockWaits(login.database)
    if (observer === undefined || nowMs - sinceMs < observer.afterMs) return
    const { backends } = servers
    if (backends.length < 2) return
    observer.mayWait({
      key: `${session.id}/${statement}`,
      startedAtMs: servers.blockOpenedAtMs || Math.round(Date.now() - nowMs + sinceMs),
      backends,
      refuse: (error) => {
        if (session.statementNumber === statement && session.activity === 'running') {
          session.refuse(error)
        }
      },
    })
  }

  #excess(session: TimedSession, watched: Watched, nowMs: number): RouterError | undefined {
    const { activity, block, blockSinceMs, sinceMs } = watched
    const age = nowMs - sinceMs
    const limits = this.#limitsOf(session, watched)
    if (block !== 0 && isOver(nowMs - blockSinceMs, limits.transactionTimeoutMs)) {
      return fatal(SqlState.transactionTimeout, 'transaction timeout')
    }
    switch (activity) {
      case 'logging in':
        if (!isOver(age, this.#limits.loginTimeoutMs)) return undefined
        return fatal(SqlState.protocolViolation, 'client_login_timeout')
      case 'running':
        if (!isOver(age, limits.queryTimeoutMs)) return undefined
        return new RouterError(SqlState.queryCanceled, 'canceling statement due to query_timeout')
      case 'idle in transaction':
        if (!isOver(age, limits.idleTransactionTimeoutMs)) return undefined
        return fatal(SqlState.idleInTransactionSessionTimeout, 'idle transaction timeout')
      case 'leaving':
        return undefined
      case 'idle':
        if (!isOver(age, limits.clientIdleTimeoutMs)) return undefined
        return fatal(SqlState.idleSessionTimeout, 'client_idle_timeout')
    }
  }

  #limitsOf({ login }: TimedSession, watched: Watched): SessionLimits {
    if (login !== undefined) watched.limits ??= this.#limits.of(login)
    return watched.limits ?? NO_LIMITS
  }
}

function observe(session: TimedSession, watched: Watched, nowMs: number): void {
  const { activity, statementNumber } = session
  if (activity !== watched.activity || statementNumber !== watched.statement) {
    watched.activity = activity
    watched.statement = statementNumber
    watched.sinceMs = nowMs
    watched.timedOutAtMs = 0
  }
  const { blockNumber } = session
  if (blockNumber === watched.block) return
  watched.block = blockNumber
  watched.blockSinceMs = nowMs
}

/** Since when it should have ended. */
function endSince({ activity, sinceMs, timedOutAtMs }: Watched): number {
  if (timedOutAtMs > 0) return timedOutAtMs
  return activity === 'leaving' ? sinceMs : Number.POSITIVE_INFINITY
}

function isOver(ageMs: number, limitMs: number): boolean {
  return limitMs > 0 && ageMs >= limitMs
}

/** PgBouncer's words, Postgres' codes. */
function fatal(sqlState: string, message: string): RouterError {
  return new RouterError(sqlState, message, { severity: 'FATAL' })
}
