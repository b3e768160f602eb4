import { NO_RUNS, ROW_RUNS, type RunTable } from '../backend/answer-reader.ts'
import type { ResponseSink } from '../backend/response-sink.ts'
import type { BackendLost, RouterError } from '../base/errors.ts'
import { Backend } from '../wire/message-codes.ts'
import { type Mending, mendError } from './relay/error-rewriting.ts'

/** What a reader of an answer wants of it. Called synchronously; the bytes are valid only during the call. */
export interface AnswerReader {
  /** RowDescription, NoData, CopyOutResponse, CopyInResponse … */
  message?(type: number, chunk: Buffer, start: number, end: number): void
  /** A whole DataRow or CopyData. */
  row?(chunk: Buffer, start: number, end: number): void
  /** Runs of rows instead of whole ones. true: `chunk` is still referenced. */
  run?(chunk: Buffer, start: number, end: number): boolean
  /** Runs begin and end between rows. */
  readonly hasWholeRuns?: boolean
  /** CommandComplete of one command, for example `UPDATE 3`. */
  complete?(tag: string): void
  notice?(chunk: Buffer, start: number, end: number): void
}

export type AsynchronousReceiver = {
  readonly onAsynchronous:
    | ((type: number, chunk: Buffer, start: number, end: number) => void)
    | undefined
}

const UNMENDED: Mending = { positions: undefined }

/**
 * The answer to one request that somebody waits for with a promise. After the first error, and after abandon(), the
 * rest is read and dropped, so that the connection can be used again once `done` has resolved.
 */
export class ServerAnswer implements ResponseSink {
  readonly runs: RunTable
  readonly wholeRuns: boolean
  /** Resolves at ReadyForQuery or when the connection is lost, with the first error; never rejects. */
  readonly done: Promise<RouterError | undefined>
  error: RouterError | undefined
  isDone = false
  /** Of the last command. */
  tag = ''

  /** Whose answer it is: told of what the server says unasked (NotificationResponse, ParameterStatus). */
  connection: AsynchronousReceiver | undefined
  readonly #reader: AnswerReader
  readonly #mending: Mending
  readonly #resolve: (error: RouterError | undefined) => void
  #isAbandoned = false

  constructor(reader: AnswerReader = {}, mending: Mending = UNMENDED) {
    this.#reader = reader
    this.#mending = mending
    this.runs = reader.run === undefined ? NO_RUNS : ROW_RUNS
    this.wholeRuns = reader.hasWholeRuns === true
    const { promise, resolve } = promiseWithResolver<RouterError | undefined>()
    this.done = promise
    this.#resolve = resolve
  }

  /** Nobody wants the rest. Rows that go on in runs do go on, if these end anywhere: the client must not be left inside a message. */
  abandon(): void {
    if (this.runs === NO_RUNS || this.wholeRuns) this.#isAbandoned = true
  }

  rows(chunk: Buffer, start: number, end: number): boolean {
    if (this.#isMuted) return false
    try {
      return this.#reader.run?.(chunk, start, end) ?? false
    } catch (error) {
      // the taker's refusal is not the connection's fault; what it took before may refer to the chunk
      this.error = error as RouterError
      return true
    }
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.errorResponse) {
      this.error ??= mendError(chunk, start, end, this.#mending)
      return
    }
    if (type === Backend.notificationResponse || type === Backend.parameterStatus) {
      this.connection?.onAsynchronous?.(type, chunk, start, end)
      return
    }
    if (this.#isMuted) return
    try {
      this.#dispatch(type, chunk, start, end)
    } catch (error) {
      this.error = error as RouterError
    }
  }

  ready(): void {
    this.#finish()
  }

  lost(error: BackendLost): void {
    this.error ??= error
    this.#finish()
  }

  /** Waits, and throws the error if there was one. */
  async completed(): Promise<void> {
    const error = await this.done
    if (error !== undefined) throw error
  }

  get #isMuted(): boolean {
    return this.#isAbandoned || this.error !== undefined
  }

  #dispatch(type: number, chunk: Buffer, start: number, end: number): void {
    switch (type) {
      case Backend.dataRow:
      case Backend.copyData:
        this.#reader.row?.(chunk, start, end)
        break
      case Backend.commandComplete:
        this.tag = chunk.toString('latin1', start + 5, end - 1)
        this.#reader.complete?.(this.tag)
        break
      case Backend.noticeResponse:
        this.#reader.notice?.(chunk, start, end)
        break
      default:
        this.#reader.message?.(type, chunk, start, end)
    }
  }

  #finish(): void {
    this.isDone = true
    this.#resolve(this.error)
  }
}

export function promiseWithResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}

/** The count at the end of a command tag (`INSERT 0 5`, `COPY 7`); 0 where there is none. */
export function tagCount(tag: string): number {
  const count = Number(tag.slice(tag.lastIndexOf(' ') + 1))
  return Number.isSafeInteger(count) ? count : 0
}
