import type { Lane } from '../backend/lane.ts'
import { BackendLost } from '../base/errors.ts'
import type { Backend } from '../executor/transaction/lock-waiter.ts'
import type { SessionTransaction } from '../executor/transaction/transaction.ts'
import { gidOf } from '../executor/transaction/two-phase-commit.ts'
import { writeNotice } from '../wire/error-messages.ts'
import type { ClientOutput } from './client/client-output.ts'
import type { StatementRelay } from './statement-relay.ts'

/** What time limits need to see and do of the server connections that a session uses or waits for. */
export class SessionServers {
  /** The statement at hand stands in it. */
  lane: Lane | undefined
  /** Or, sent to several nodes, in these. */
  lanes: readonly Lane[] = []
  readonly #output: ClientOutput
  readonly #transaction: SessionTransaction
  readonly #relay: StatementRelay

  constructor(output: ClientOutput, transaction: SessionTransaction, relay: StatementRelay) {
    this.#output = output
    this.#transaction = transaction
    this.#relay = relay
  }

  /** For a connection, in milliseconds of performance.now(); 0: it doesn't wait. */
  get waitingSinceMs(): number {
    return this.#transaction.waitingSinceMs
  }

  /** When the transaction block began, by the clock of the day; 0: there is none. */
  get blockOpenedAtMs(): number {
    return this.#transaction.isInBlock ? this.#transaction.openedAtMs : 0
  }

  get backends(): readonly Backend[] {
    const { cancellable, preparingAs } = this.#transaction
    return cancellable.flatMap(({ node: { nodeId }, processId }) => {
      const process = { nodeId, processId }
      if (preparingAs === undefined) return [process]
      return [process, { nodeId, processId: gidOf(preparingAs, nodeId) }]
    })
  }

  /** In PgBouncer's words. Not while a statement that waits for one more connection has others that may be answering. */
  tellOfWait(): void {
    if (this.#transaction.connections.some(({ openRequests }) => openRequests > 0)) return
    writeNotice(this.#output.frames, {
      severity: 'NOTICE',
      message: 'No server connection available in postgres backend, client being queued',
    })
  }

  /** What was cancelled long ago is not answered: its connections are of no use to anyone. */
  abandon(): void {
    if (this.lane !== undefined) {
      this.lane.abandon()
      return
    }
    for (const lane of this.lanes) lane.abandon()
    const error = new BackendLost('the server does not answer', true)
    this.#relay.abandon(error)
    for (const connection of this.#transaction.cancellable) {
      if (connection.openRequests > 0) connection.close(error)
    }
  }
}
