import { ROW_RUNS } from '../../backend/answer-reader.ts'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { ResponseSink } from '../../backend/response-sink.ts'
import { BackendLost, type RouterError } from '../../base/errors.ts'
import { serverError } from '../../wire/error-messages.ts'
import { Backend, TransactionStatus } from '../../wire/message-codes.ts'

/** Takes the answer to something we slipped in before the client's own request, and tells of its error only. */
export class SwallowSink implements ResponseSink {
  readonly runs = ROW_RUNS
  readonly #connection: BackendConnection
  readonly #onError: (error: RouterError) => void

  constructor(connection: BackendConnection, onError: (error: RouterError) => void) {
    this.#connection = connection
    this.#onError = onError
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.errorResponse) this.#onError(serverError(chunk.subarray(start, end)))
  }

  ready(status: number): void {
    if (status !== TransactionStatus.idle) return
    // outside a block the statement behind would commit by itself: cut the line before it is answered
    const error = new BackendLost('server did not begin a transaction', true)
    this.#onError(error)
    this.#connection.close(error)
  }

  lost(error: BackendLost): void {
    this.#onError(error)
  }
}
