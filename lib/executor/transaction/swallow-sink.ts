import { ROW_RUNS } from '../../backend/answer-reader.ts'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { ResponseSink } from '../../backend/response-sink.ts'
import { BackendLost, type RouterError } from '../../base/errors.ts'
import { serverError } from '../../wire/error-messages.ts'
import { Backend, TransactionStatus } from '../../wire/message-codes.ts'

/**
 * Takes the answer to something we slipped in before the client's own request, and tells of its error only. `place`: where that
 * leaves the server. In a block an error makes the request behind it fail; before one the line is cut, so that nothing of
 * the request is answered.
 */
export class SwallowSink implements ResponseSink {
  readonly runs = ROW_RUNS
  readonly #connection: BackendConnection
  readonly #onError: (error: RouterError) => void
  readonly #place: 'in a block' | 'before a block'

  constructor(
    connection: BackendConnection,
    onError: (error: RouterError) => void,
    place: 'in a block' | 'before a block' = 'in a block',
  ) {
    this.#connection = connection
    this.#onError = onError
    this.#place = place
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type !== Backend.errorResponse) return
    const error = serverError(chunk.subarray(start, end))
    this.#onError(error)
    if (this.#place === 'before a block') this.#cut(error.message)
  }

  ready(status: number): void {
    if (status !== TransactionStatus.idle || this.#place === 'before a block') return
    // outside a block the statement behind would commit by itself
    this.#onError(this.#cut('server did not begin a transaction'))
  }

  lost(error: BackendLost): void {
    this.#onError(error)
  }

  #cut(reason: string): BackendLost {
    const error = new BackendLost(reason, true)
    this.#connection.close(error)
    return error
  }
}
