import type { RouterError } from '../base/errors.ts'
import { RingQueue } from '../base/ring-queue.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { Borrower } from './borrower.ts'
import type { Settings } from './session-state.ts'

/** Who waits for a connection: told once, synchronously, from within the pool. Must not throw. */
export interface ConnectionAwaiter {
  served(connection: BackendConnection): void
  refused(error: RouterError): void
}

/** One who waits. */
export class Waiter {
  readonly settings: Settings | undefined
  readonly borrower: Borrower | undefined
  readonly sinceMs: number
  /** Infinity: none. */
  readonly deadlineMs: number
  /** A connection beyond the bound is being made for it: it doesn't count as waiting any more. */
  isPromised = false
  readonly #awaiter: ConnectionAwaiter

  constructor(
    awaiter: ConnectionAwaiter,
    settings: Settings | undefined,
    borrower: Borrower | undefined,
    sinceMs: number,
    deadlineMs: number,
  ) {
    this.#awaiter = awaiter
    this.settings = settings
    this.borrower = borrower
    this.sinceMs = sinceMs
    this.deadlineMs = deadlineMs
    borrower?.startsWaiting()
  }

  /** Holds connections itself, and is promised none yet. */
  get isHolder(): boolean {
    return !this.isPromised && this.borrower !== undefined && this.borrower.holds > 0
  }

  serve(connection: BackendConnection): void {
    this.#settled()
    this.#awaiter.served(connection)
  }

  refuse(error: RouterError): void {
    this.#settled()
    this.#awaiter.refused(error)
  }

  promise(): void {
    this.isPromised = true
    this.borrower?.stopsWaiting()
  }

  #settled(): void {
    if (!this.isPromised) this.borrower?.stopsWaiting()
  }
}

/** Those who wait for a connection, in order of arrival. Time limits are looked after by expire(), not by a timer each. */
export class WaitQueue {
  readonly #waiters = new RingQueue<Waiter>()

  get length(): number {
    return this.#waiters.length
  }

  /** undefined: nobody waits. */
  get oldestSinceMs(): number | undefined {
    return this.#waiters.peek()?.sinceMs
  }

  push(waiter: Waiter): void {
    this.#waiters.push(waiter)
  }

  peek(): Waiter | undefined {
    return this.#waiters.peek()
  }

  shift(): Waiter | undefined {
    return this.#waiters.shift()
  }

  remove(waiter: Waiter): boolean {
    return this.#waiters.remove(waiter)
  }

  /** The first of them who is one. */
  firstHolder(): Waiter | undefined {
    return this.#waiters.find((waiter) => waiter.isHolder)
  }

  expire(nowMs: number, makeError: () => RouterError): void {
    const isLate = (waiter: Waiter) => waiter.deadlineMs <= nowMs
    for (let late = this.#waiters.find(isLate); late; late = this.#waiters.find(isLate)) {
      this.#waiters.remove(late)
      late.refuse(makeError())
    }
  }

  rejectAll(error: RouterError): void {
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift()) {
      waiter.refuse(error)
    }
  }
}

/** A wait as a promise. `enter` puts the awaiter in the queue, `withdraw` takes it out again: false, it isn't there any more. */
export function waitAsPromise(
  signal: AbortSignal | undefined,
  enter: (awaiter: ConnectionAwaiter) => Waiter,
  withdraw: (waiter: Waiter) => boolean,
  abortError: (signal: AbortSignal) => RouterError,
): Promise<BackendConnection> {
  return new Promise((resolve, reject) => {
    let waiter: Waiter | undefined
    const onAbort = () => {
      if (signal === undefined || waiter === undefined || !withdraw(waiter)) return
      waiter.refuse(abortError(signal))
    }
    const settled = () => signal?.removeEventListener('abort', onAbort)
    signal?.addEventListener('abort', onAbort, { once: true })
    waiter = enter({
      served: (connection) => {
        settled()
        resolve(connection)
      },
      refused: (error) => {
        settled()
        reject(error)
      },
    })
  })
}
