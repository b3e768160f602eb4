import { setMaxListeners } from 'node:events'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** Ends the statement at hand, for one reason; made anew for each statement that needs it. */
export class StatementAbort {
  #controller: AbortController | undefined

  get signal(): AbortSignal {
    this.#controller ??= makeController()
    return this.#controller.signal
  }

  /** undefined: the statement at hand was not aborted. */
  get reason(): RouterError | undefined {
    const reason: unknown = this.#controller?.signal.reason
    return reason instanceof RouterError ? reason : undefined
  }

  abort(reason: RouterError): void {
    this.#controller ??= makeController()
    this.#controller.abort(reason)
  }

  /** Before the next statement. */
  reset(): void {
    this.#controller = undefined
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
