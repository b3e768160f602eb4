import { NO_RUNS } from '../backend/answer-reader.ts'
import type { BackendConnection } from '../backend/backend-connection.ts'
import type { ResponseSink } from '../backend/response-sink.ts'
import type { BackendLost, RouterError } from '../base/errors.ts'
import { readCommandComplete, readDataRow } from '../wire/backend-messages.ts'
import { writeCopyData, writeCopyDone, writeCopyFail } from '../wire/copy-messages.ts'
import { serverError } from '../wire/error-messages.ts'
import {
  writeBind,
  writeDescribe,
  writeExecute,
  writeParse,
  writeQuery,
  writeSync,
} from '../wire/frontend-messages.ts'
import { Backend, HEADER_BYTES } from '../wire/message-codes.ts'
import { type FieldDescription, readRowDescription } from '../wire/row-description.ts'

// A small promise API over one server connection, for everything that isn't hot.
// Each function leaves the connection at ReadyForQuery, also when it throws.

export type QueryResult<Value = string> = {
  readonly fields: readonly FieldDescription[]
  /** undefined = NULL */
  readonly rows: readonly (readonly (Value | undefined)[])[]
  /** Command tag, '' for an empty query. */
  readonly tag: string
}

/** The message is the listener's to keep. */
export type OnNotice = (message: Buffer) => void

export type ParameterValue = string | Buffer | null

/**
 * One statement, results in text. Without `params` it goes by simple protocol (several statements are allowed then,
 * of which the last one's result is returned). Text params are strings, binary ones Buffers.
 */
export async function query(
  connection: BackendConnection,
  text: string,
  params?: readonly ParameterValue[],
  onNotice?: OnNotice,
): Promise<QueryResult> {
  const { fields, rows, tag } = await run(connection, text, params, 0, onNotice)
  return { fields, rows: rows.map((row) => row.map((value) => value?.toString('utf8'))), tag }
}

/** As query(), always by extended protocol, with results in binary. */
export function queryBinary(
  connection: BackendConnection,
  text: string,
  params: readonly ParameterValue[] = [],
): Promise<QueryResult<Buffer>> {
  return run(connection, text, params, 1)
}

function run(
  connection: BackendConnection,
  text: string,
  params: readonly ParameterValue[] | undefined,
  resultFormat: 0 | 1,
  onNotice?: OnNotice,
): Promise<QueryResult<Buffer>> {
  return new Promise((resolve, reject) => {
    connection.open(new ResultSink(resolve, reject, onNotice))
    if (params === undefined) writeQuery(connection.out, text)
    else writeExtended(connection, text, params, resultFormat)
    connection.flush()
  })
}

function writeExtended(
  { out }: BackendConnection,
  text: string,
  params: readonly ParameterValue[],
  resultFormat: 0 | 1,
): void {
  writeParse(out, { name: '', text })
  writeBind(out, {
    portal: '',
    statement: '',
    formats: params.map((value) => (Buffer.isBuffer(value) ? 1 : 0)),
    values: params.map((value) => {
      if (value === null) return undefined
      return typeof value === 'string' ? Buffer.from(value) : value
    }),
    resultFormats: [resultFormat],
  })
  writeDescribe(out, { kind: 'portal', name: '' })
  writeExecute(out, { portal: '', maxRows: 0 })
  writeSync(out)
}

/** Gathers one answer; the first error wins and is thrown at ReadyForQuery. */
class ResultSink implements ResponseSink {
  readonly runs = NO_RUNS
  readonly #resolve: (result: QueryResult<Buffer>) => void
  readonly #reject: (error: RouterError) => void
  readonly #onNotice: OnNotice | undefined
  #fields: readonly FieldDescription[] = []
  #rows: (Buffer | undefined)[][] = []
  #tag = ''
  #error: RouterError | undefined

  constructor(
    resolve: (result: QueryResult<Buffer>) => void,
    reject: (error: RouterError) => void,
    onNotice: OnNotice | undefined,
  ) {
    this.#resolve = resolve
    this.#reject = reject
    this.#onNotice = onNotice
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    const frame = chunk.subarray(start, end)
    switch (type) {
      case Backend.rowDescription:
        this.#fields = readRowDescription(frame)
        this.#rows = []
        break
      case Backend.dataRow:
        // one copy of the row, which its values then alias
        this.#rows.push(readDataRow(Buffer.from(frame)))
        break
      case Backend.commandComplete:
        this.#tag = readCommandComplete(frame)
        break
      case Backend.errorResponse:
        this.#error ??= serverError(frame)
        break
      case Backend.noticeResponse:
        this.#onNotice?.(Buffer.from(frame))
        break
      default:
        break
    }
  }

  ready(): void {
    if (this.#error !== undefined) this.#reject(this.#error)
    else this.#resolve({ fields: this.#fields, rows: this.#rows, tag: this.#tag })
  }

  lost(error: BackendLost): void {
    // a FATAL of the server (57P01 …) says more than that the connection is gone
    this.#reject(this.#error ?? error)
  }
}

/** Reading stops while so much waits for the consumer. */
const COPY_OUT_HIGH_BYTES = 1024 * 1024

/**
 * `COPY … TO STDOUT`: the body of each CopyData. Leaving the loop early cancels the COPY and waits for its end.
 * Backpressure: the server waits while the consumer doesn't read.
 */
export async function* copyOut(
  connection: BackendConnection,
  sql: string,
): AsyncGenerator<Buffer, void, undefined> {
  const sink = new CopyOutSink(connection)
  connection.open(sink)
  writeQuery(connection.out, sql)
  connection.flush()
  try {
    for (let body = await sink.next(); body !== undefined; body = await sink.next()) yield body
  } finally {
    await sink.finish()
  }
}

class CopyOutSink implements ResponseSink {
  readonly runs = NO_RUNS
  readonly #connection: BackendConnection
  #queue: Buffer[] = []
  #position = 0
  #queuedBytes = 0
  #isDone = false
  #isDiscarding = false
  #error: RouterError | undefined
  #wake: (() => void) | undefined

  constructor(connection: BackendConnection) {
    this.#connection = connection
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.errorResponse) this.#error ??= serverError(chunk.subarray(start, end))
    if (type !== Backend.copyData || this.#isDiscarding) return
    this.#queue.push(Buffer.from(chunk.subarray(start + HEADER_BYTES, end)))
    this.#queuedBytes += end - start
    if (this.#queuedBytes > COPY_OUT_HIGH_BYTES) this.#connection.pause()
    this.#notify()
  }

  ready(): void {
    this.#isDone = true
    this.#notify()
  }

  lost(error: BackendLost): void {
    this.#error ??= error
    this.#isDone = true
    this.#notify()
  }

  async next(): Promise<Buffer | undefined> {
    while (this.#position === this.#queue.length) {
      this.#queue = []
      this.#position = 0
      this.#queuedBytes = 0
      this.#connection.resume()
      if (this.#isDone) {
        if (this.#error !== undefined) throw this.#error
        return undefined
      }
      await this.#changed()
    }
    return this.#queue[this.#position++]
  }

  /** After this the answer has ended, whatever it was. */
  async finish(): Promise<void> {
    if (this.#isDone) return
    this.#isDiscarding = true
    this.#queue = []
    this.#position = 0
    this.#connection.resume()
    await this.#connection.cancel(this)
    while (!this.#isDone) await this.#changed()
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

/** A `COPY … FROM STDIN` that is under way. Exactly one of finish() and fail() must be called. */
export class CopyIn {
  readonly #connection: BackendConnection
  readonly #sink: CopyInSink

  /** Writes the COPY; data may follow at once only after started(). */
  constructor(connection: BackendConnection, sql: string) {
    this.#connection = connection
    this.#sink = new CopyInSink()
    connection.open(this.#sink)
    writeQuery(connection.out, sql)
    connection.flush()
  }

  /** Rejects with the server's error when the COPY could not begin. */
  started(): Promise<void> {
    return this.#sink.started
  }

  /** One CopyData; waits while the server doesn't take it. Once the server has failed, data is dropped. */
  async write(body: Buffer): Promise<void> {
    const connection = this.#connection
    if (this.#sink.isOver) return
    writeCopyData(connection.out, body)
    connection.flush()
    if (!connection.isCongested) return
    await new Promise<void>((resolve) => connection.whenDrained(resolve))
  }

  /** The command tag, for example `COPY 3`. */
  finish(): Promise<string> {
    // an ended COPY must not be given a second CopyDone: the server would ignore it, but we don't rely on that
    if (!this.#sink.isOver) {
      writeCopyDone(this.#connection.out)
      this.#connection.flush()
    }
    return this.#sink.finished
  }

  /** Gives up: nothing is copied. Settles when the server has answered; never throws. */
  async fail(reason: string): Promise<void> {
    if (!this.#sink.isOver) {
      writeCopyFail(this.#connection.out, reason.replaceAll('\0', ''))
      this.#connection.flush()
    }
    await this.#sink.finished.catch(() => undefined)
  }
}

export function copyIn(connection: BackendConnection, sql: string): CopyIn {
  return new CopyIn(connection, sql)
}

class CopyInSink implements ResponseSink {
  readonly runs = NO_RUNS
  readonly started: Promise<void>
  readonly finished: Promise<string>
  /** An error or the end has come. */
  isOver = false
  #tag = ''
  #error: RouterError | undefined
  #start: () => void = () => undefined
  #refuse: (error: RouterError) => void = () => undefined
  #resolve: (tag: string) => void = () => undefined
  #reject: (error: RouterError) => void = () => undefined

  constructor() {
    this.started = new Promise((resolve, reject) => {
      this.#start = resolve
      this.#refuse = reject
    })
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // whoever awaits them sees the rejection; that nobody does is no crash
    this.started.catch(() => undefined)
    this.finished.catch(() => undefined)
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.copyInResponse) this.#start()
    else if (type === Backend.commandComplete) {
      this.#tag = readCommandComplete(chunk.subarray(start, end))
    } else if (type === Backend.errorResponse) {
      this.#error ??= serverError(chunk.subarray(start, end))
      this.isOver = true
    }
  }

  ready(): void {
    this.isOver = true
    if (this.#error === undefined) {
      this.#start()
      this.#resolve(this.#tag)
      return
    }
    this.#refuse(this.#error)
    this.#reject(this.#error)
  }

  lost(error: BackendLost): void {
    this.isOver = true
    this.#error ??= error
    this.#refuse(this.#error)
    this.#reject(this.#error)
  }
}
