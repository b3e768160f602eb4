import type { SessionTransaction } from '../executor/transaction.ts'
import { writeNotice } from '../wire/error-messages.ts'
import type { ClientOutput } from './client-output.ts'

/** A session's wait for a server connection, as seen from outside. */
export class SessionWait {
  readonly #output: ClientOutput
  readonly #transaction: SessionTransaction

  constructor(output: ClientOutput, transaction: SessionTransaction) {
    this.#output = output
    this.#transaction = transaction
  }

  /** In milliseconds of performance.now(); 0: it doesn't wait. */
  get sinceMs(): number {
    return this.#transaction.waitingSinceMs
  }

  /** In PgBouncer's words. Not while a statement that waits for one more connection has others that may be answering. */
  tell(): void {
    if (this.#transaction.connections.some(({ openRequests }) => openRequests > 0)) return
    writeNotice(this.#output.frames, {
      severity: 'NOTICE',
      message: 'No server connection available in postgres backend, client being queued',
    })
  }
}
