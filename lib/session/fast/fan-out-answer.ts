import { ROW_RUNS } from '../../backend/answer-reader.ts'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Lane } from '../../backend/lane.ts'
import type { ResponseSink } from '../../backend/response-sink.ts'
import { asRouterError, type BackendLost, type RouterError } from '../../base/errors.ts'
import { mendError, mendMessage } from '../../executor/relay/error-rewriting.ts'
import { Backend } from '../../wire/message-codes.ts'

/** The text on the servers is none of the client's. */
const MENDING = { positions: 'drop' } as const
const ZERO = 0x30
const NINE = 0x39

/** Whose answers they are. Called synchronously, in any order between nodes. */
export interface FanOutAnswers {
  /** Whole rows. true: `chunk` is still referenced. */
  rows(answer: FanOutAnswer, chunk: Buffer, start: number, end: number): boolean
  /** Of what was prepared with this run; throws if the client was told otherwise. */
  described(description: Buffer): void
  notice(message: Buffer): void
  /** The first error of this answer. */
  failed(error: RouterError): void
  done(answer: FanOutAnswer): void
}

/** One node's answer to a statement that several are asked. Reused for the session's next such statement. */
export class FanOutAnswer implements ResponseSink {
  readonly runs = ROW_RUNS
  readonly wholeRuns = true
  connection: BackendConnection | undefined
  /** undefined: the connection is the session's own. */
  lane: Lane | undefined
  /** Of the prepared statement. */
  key = ''
  /** The statement was prepared in the same go. */
  isNew = false
  isDone = true
  /** Of its command tag. */
  rowCount = 0
  #hasFailed = false
  readonly #owner: FanOutAnswers

  constructor(owner: FanOutAnswers) {
    this.#owner = owner
  }

  reset(connection: BackendConnection, lane: Lane | undefined): void {
    this.connection = connection
    this.lane = lane
    this.isNew = false
    this.isDone = false
    this.rowCount = 0
    this.#hasFailed = false
  }

  rows(chunk: Buffer, start: number, end: number): boolean {
    return this.#hasFailed ? false : this.#owner.rows(this, chunk, start, end)
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    switch (type) {
      case Backend.commandComplete:
        this.rowCount = countAtEnd(chunk, end - 2)
        break
      case Backend.rowDescription:
        this.#check(Buffer.from(chunk.subarray(start, end)))
        break
      case Backend.errorResponse:
        this.#fail(mendError(chunk, start, end, MENDING))
        break
      case Backend.noticeResponse:
        this.#owner.notice(mendMessage(chunk, start, end, MENDING))
        break
      case Backend.notificationResponse:
      case Backend.parameterStatus:
        this.connection?.onAsynchronous?.(type, chunk, start, end)
    }
  }

  ready(): void {
    this.#finish()
  }

  lost(error: BackendLost): void {
    this.#fail(error)
    this.#finish()
  }

  #check(description: Buffer): void {
    try {
      this.#owner.described(description)
    } catch (error) {
      this.#fail(asRouterError(error))
    }
  }

  #fail(error: RouterError): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#owner.failed(error)
  }

  #finish(): void {
    this.isDone = true
    this.#owner.done(this)
  }
}

/** `SELECT 17`: the number that ends at `last`. */
function countAtEnd(chunk: Buffer, last: number): number {
  let count = 0
  let factor = 1
  for (let at = last; ; at--) {
    const code = chunk[at] ?? 0
    if (code < ZERO || code > NINE) return count
    count += (code - ZERO) * factor
    factor *= 10
  }
}
