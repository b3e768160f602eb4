import { setMaxListeners } from 'node:events'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** What a statement uses until it ends. */
type Scoped = { end(): void }

/** Ends the statement at hand, for one reason, and what it uses; made anew for each statement that needs it. */
export class StatementAbort {
  #controller: AbortController | undefined
  readonly #scoped: Scoped[] = []

  get signal(): AbortSignal {
    this.#controller ??= makeController()
    return this.#controller.signal
  }

  /** undefined: the statement at hand was not aborted. */
  get reason(): RouterError | undefined {
    const reason: unknown = this.#controller?.signal.reason
    return reason instanceof RouterError ? reason : undefined
  }

  /** Nobody has asked for it: reset() would do nothing. */
  get isUnused(): boolean {
    return this.#controller === undefined && this.#scoped.length === 0
  }

  /** Ends with the statement at hand. */
  track(scoped: Scoped): void {
    this.#scoped.push(scoped)
  }

  abort(reason: RouterError): void {
    this.#controller ??= makeController()
    this.#controller.abort(reason)
  }

  /** Before the next statement. */
  reset(): void {
    this.#controller = undefined
    if (this.#scoped.length > 0) for (const scoped of this.#scoped.splice(0)) scoped.end()
  }
}

export function cancelled(message: string): RouterError {
  return new RouterError(SqlState.queryCanceled, message)
}

export function terminated(): RouterError {
  const message = 'terminating connection due to administrator command'
  return new RouterError(SqlState.adminShutdown, message, { severity: 'FATAL' })
}

/** Each request of a statement listens until it has ended, and a COPY to many shards has one for each, pipelined. */
function makeController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
