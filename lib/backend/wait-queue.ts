import type { RouterError } from '../base/errors.ts'
import { RingQueue } from '../base/ring-queue.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { Borrower } from './borrower.ts'
import type { Settings } from './session-state.ts'

export type Waiter = {
  readonly borrower: Borrower | undefined
  readonly settings: Settings | undefined
  readonly sinceMs: number
  readonly deadlineMs: number
  /** A connection beyond the bound is being made for it: it doesn't count as waiting any more. */
  isPromised: boolean
  readonly resolve: (connection: BackendConnection) => void
  readonly reject: (error: RouterError) => void
}

export type Wish = {
  readonly signal?: AbortSignal | undefined
  /** Infinity: none. */
  readonly deadlineMs: number
  readonly settings?: Settings | undefined
  readonly borrower?: Borrower | undefined
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

  /** `abortError` makes what to reject with when the signal aborts. */
  wait(wish: Wish, abortError: (signal: AbortSignal) => RouterError): Promise<BackendConnection> {
    const { signal, borrower, settings, deadlineMs } = wish
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        if (signal !== undefined && this.#waiters.remove(waiter)) waiter.reject(abortError(signal))
      }
      const settled = () => {
        signal?.removeEventListener('abort', onAbort)
        if (!waiter.isPromised) borrower?.stopsWaiting()
      }
      const waiter: Waiter = {
        borrower,
        settings,
        sinceMs: Date.now(),
        deadlineMs,
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
    })
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

  /** The first who holds connections himself and is promised none yet. */
  firstHolder(): Waiter | undefined {
    return this.#waiters.find((waiter) => (waiter.borrower?.holds ?? 0) > 0 && !waiter.isPromised)
  }

  expire(nowMs: number, makeError: () => RouterError): void {
    const isLate = (waiter: Waiter) => waiter.deadlineMs <= nowMs
    for (let late = this.#waiters.find(isLate); late; late = this.#waiters.find(isLate)) {
      this.#waiters.remove(late)
      late.reject(makeError())
    }
  }

  rejectAll(error: RouterError): void {
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift()) {
      waiter.reject(error)
    }
  }
}
