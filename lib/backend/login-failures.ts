import type { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

const FIRST_BACKOFF_MS = 100

/** Errors that may be gone in a moment: another attempt has to wait. All others are an answer to the one who asked. */
const TRANSIENT: ReadonlySet<string> = new Set([
  SqlState.connectionFailure,
  SqlState.tooManyConnections,
  SqlState.cannotConnectNow,
])

/** While logins fail, attempts become rare: clients get the server's last error at once instead. */
export class LoginFailures {
  #error: RouterError | undefined
  #backoffMs = 0
  #untilMs = 0

  /** undefined: it may be tried. */
  get error(): RouterError | undefined {
    return this.#error !== undefined && Date.now() < this.#untilMs ? this.#error : undefined
  }

  failed(error: RouterError, maxBackoffMs: number): void {
    if (!TRANSIENT.has(error.sqlState)) return
    // several logins at once fail as one
    if (this.error !== undefined) return
    this.#error = error
    this.#backoffMs = Math.min(Math.max(FIRST_BACKOFF_MS, this.#backoffMs * 2), maxBackoffMs)
    this.#untilMs = Date.now() + this.#backoffMs
  }

  succeeded(): void {
    this.#error = undefined
    this.#backoffMs = 0
  }
}
