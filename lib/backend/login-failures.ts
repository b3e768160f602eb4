import type { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

const FIRST_BACKOFF_MS = 100

/** What this machine lacks says nothing of the server. */
const OWN_ERRORS: ReadonlySet<string | undefined> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EAGAIN',
])
const OWN_BACKOFF_MS = 500

function isOurs({ cause }: RouterError): boolean {
  return OWN_ERRORS.has((cause as NodeJS.ErrnoException | undefined)?.code)
}

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
    return this.#error !== undefined && performance.now() < this.#untilMs ? this.#error : undefined
  }

  failed(error: RouterError, maxBackoffMs: number): void {
    if (!TRANSIENT.has(error.sqlState)) return
    // several logins at once fail as one
    if (this.error !== undefined) return
    this.#error = error
    const limitMs = isOurs(error) ? Math.min(maxBackoffMs, OWN_BACKOFF_MS) : maxBackoffMs
    this.#backoffMs = Math.min(Math.max(FIRST_BACKOFF_MS, this.#backoffMs * 2), limitMs)
    this.#untilMs = performance.now() + this.#backoffMs
  }

  succeeded(): void {
    this.#error = undefined
    this.#backoffMs = 0
  }
}
