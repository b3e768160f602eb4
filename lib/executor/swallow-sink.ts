import type { ResponseSink } from '../backend/response-sink.ts'
import type { BackendLost, RouterError } from '../base/errors.ts'
import { serverError } from '../wire/error-messages.ts'
import { Backend } from '../wire/message-codes.ts'

/** Takes the answer to something we slipped in before the client's own request, and tells of its error only. */
export class SwallowSink implements ResponseSink {
  readonly wholeRows = false
  readonly #onError: (error: RouterError) => void

  constructor(onError: (error: RouterError) => void) {
    this.#onError = onError
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.errorResponse) this.#onError(serverError(chunk.subarray(start, end)))
  }

  ready(): void {
    // the request that follows has a sink of its own
  }

  lost(error: BackendLost): void {
    this.#onError(error)
  }
}
