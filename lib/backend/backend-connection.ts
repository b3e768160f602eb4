import { BackendLost, ProtocolError, type RouterError } from '../base/errors.ts'
import { RingQueue } from '../base/ring-queue.ts'
import {
  isTransactionStatus,
  readBackendKeyData,
  readParameterStatus,
} from '../wire/backend-messages.ts'
import { serverError } from '../wire/error-messages.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { writeTerminate } from '../wire/frontend-messages.ts'
import { Backend, TransactionStatus } from '../wire/message-codes.ts'
import { AnswerReader, NO_RUNS } from './answer-reader.ts'
import type { BackendAddress } from './backend-address.ts'
import { BackendSocket } from './backend-socket.ts'
import { sendCancelRequest } from './cancel-request.ts'
import { flushThisTurn } from './flush-turn.ts'
import { PreparedCache } from './prepared-cache.ts'
import type { ResponseSink } from './response-sink.ts'
import type { ServerTls } from './server-tls.ts'
import { ConnectionSettings } from './session-state.ts'

/** Of one connection, for as long as it lives. */
export type ConnectionLimits = {
  readonly maxPreparedStatements: number
  /** For clients that have not asked for it. */
  readonly preparesPointReads: boolean
  /** What a cancel request may take to reach the server; 0: no limit. */
  readonly cancelTimeoutMs: number
  /** For the answer to a short question of our own, which waits for nobody's locks. */
  readonly questionTimeoutMs: number
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  maxPreparedStatements: 200,
  preparesPointReads: true,
  cancelTimeoutMs: 10_000,
  questionTimeoutMs: 30_000,
}

/**
 * starting -> ready -> closed, or starting -> closed. Requests may be written while ready; `closed` is final.
 */
export type ConnectionState = 'starting' | 'ready' | 'closed'

/** Told of what the server says between requests (NoticeResponse, NotificationResponse, ParameterStatus). */
export type AsynchronousListener = (type: number, chunk: Buffer, start: number, end: number) => void

/** Larger pieces are written from where they are instead of copied. */
const COPY_LIMIT_BYTES = 16 * 1024
/** Requests that wait for the turn's end; a writer that goes on regardless is congested. */
const OUT_LIMIT_BYTES = 1024 * 1024
/** An answer that is already this long is likely to go on. */
const LONG_ANSWER_BYTES = 256 * 1024
const STARTUP_SINKS = 8
/** Postgres reports about fifteen; a server that goes on inventing names must not fill our memory. */
const MAX_PARAMETERS = 1000

/**
 * One server connection: requests are appended to `out` and announced by open(), one sink for each ReadyForQuery to
 * come, and leave together at the turn's end; answers go to the sinks in order. Owned by a Pool or its borrower.
 *
 *   out --flush()--> socket      socket --AnswerReader--> sinks[0] .. ready() --> sinks[1] ..
 */
export class BackendConnection {
  readonly node: BackendAddress
  readonly createdAtMs: number
  /** Append whole messages, then flush(). */
  readonly out = new FrameWriter()
  readonly settings = new ConnectionSettings()
  readonly prepared: PreparedCache
  /** Whose statement was the last that may have used a sequence: currval() and lastval() are his. */
  lastWriter: object | undefined
  /** They may still be those of somebody who wrote before him. */
  hasOthersSequences = false
  /** As reported by the server. */
  readonly parameters = new Map<string, string>()
  /** Called once, when the connection is closed, after its sinks were told. */
  onClosed: ((connection: BackendConnection, error: RouterError) => void) | undefined
  onAsynchronous: AsynchronousListener | undefined
  /** Requests answered so far. */
  answers = 0
  #processId = 0
  #secretKey: Buffer = Buffer.alloc(0)
  #state: ConnectionState = 'starting'
  #status: number = TransactionStatus.idle
  readonly #tls: ServerTls | undefined
  readonly #cancelTimeoutMs: number
  readonly questionTimeoutMs: number
  readonly #socket: BackendSocket
  readonly #reader: AnswerReader
  readonly #sinks = new RingQueue<ResponseSink>(STARTUP_SINKS)
  /** The youngest so many sinks: nothing of their requests has been handed to the socket. */
  #unsentSinks = 0
  #isDirty = false
  #isPaused = false
  /** Of the request at the head, so far; counted in whole chunks. */
  #answerBytes = 0
  readonly #cancels = new Set<Promise<void>>()
  /** Given up before the server had confirmed it. */
  #hasLostCancel = false
  /** Of the request at the head, while it is on its way. */
  #headCancel: { readonly head: ResponseSink; readonly cancel: Promise<void> } | undefined
  #drainWaiters: (() => void)[] = []
  /** An ErrorResponse outside any request: the server's reason for closing. */
  #lastWords: RouterError | undefined

  constructor(
    node: BackendAddress,
    onConnected: (connection: BackendConnection) => void,
    tls?: ServerTls,
    limits: ConnectionLimits = DEFAULT_CONNECTION_LIMITS,
  ) {
    this.node = node
    this.prepared = new PreparedCache(limits.maxPreparedStatements, limits.preparesPointReads)
    this.#tls = tls
    this.#cancelTimeoutMs = limits.cancelTimeoutMs
    this.questionTimeoutMs = limits.questionTimeoutMs
    this.createdAtMs = Date.now()
    this.#reader = new AnswerReader({
      runs: () => this.#sinks.peek()?.runs ?? NO_RUNS,
      wantsWholeRuns: () => this.#sinks.peek()?.wholeRuns === true,
      rows: (chunk, start, end) => this.#sinks.peek()?.rows(chunk, start, end) ?? false,
      message: (type, chunk, start, end) => this.#receive(type, chunk, start, end),
      mends: (chunk, start, end) => this.#sinks.peek()?.mends?.(chunk, start, end) === true,
      lastRun: (chunk, start, readyAt, end) => this.#lastRun(chunk, start, readyAt, end),
    })
    const owner = {
      received: (chunk: Buffer, length: number) => this.#read(chunk, length),
      drained: () => this.#wakeDrainWaiters(),
      connected: () => onConnected(this),
      closed: (error: Error | undefined) => this.#lose(this.#reasonOfClose(error)),
    }
    const socketTls = tls === undefined ? undefined : { tls, isRequired: false }
    this.#socket = new BackendSocket(node, owner, socketTls)
  }

  get isEncrypted(): boolean {
    return this.#socket.isEncrypted
  }

  get tlsName(): string {
    return this.#socket.tlsName
  }

  /** What a SCRAM login binds to; undefined: nothing. */
  get channelBinding(): Buffer | undefined {
    return this.#socket.channelBinding
  }

  get processId(): number {
    return this.#processId
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress
  }

  get localPort(): number | undefined {
    return this.#socket.localPort
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** The status byte of the last ReadyForQuery: I, T or E. */
  get transactionStatus(): number {
    return this.#status
  }

  /** Requests that are not answered yet. */
  get openRequests(): number {
    return this.#sinks.length
  }

  /** Proven idle: it may serve anyone. */
  get isReusable(): boolean {
    return (
      this.#state === 'ready' &&
      this.#status === TransactionStatus.idle &&
      this.#sinks.length === 0 &&
      !this.mayBeCancelled &&
      this.out.length === 0
    )
  }

  /**
   * Queues a sink for the ReadyForQuery that a request written to `out` in this turn will bring: once for each
   * Query, Sync and FunctionCall. On a closed connection the sink is lost at once.
   */
  open(sink: ResponseSink): void {
    if (this.#state === 'closed') {
      sink.lost(new BackendLost('server connection is closed', false))
      return
    }
    this.#sinks.push(sink)
    this.#unsentSinks++
  }

  /** What is in `out` leaves at the end of this turn of the event loop. */
  flush(): void {
    if (this.#isDirty || this.#state === 'closed') return
    this.#isDirty = true
    flushThisTurn(this)
  }

  /** Called by flush-turn. */
  flushNow(): void {
    this.#isDirty = false
    if (this.out.length === 0) return
    if (this.#state === 'closed') {
      this.out.reset()
      return
    }
    this.#unsentSinks = 0
    if (this.#socket.write(this.out.buffer.subarray(0, this.out.length))) this.out.reset()
    else this.out.take()
  }

  /** Whole messages or parts of them, after what is in `out`. 'kept': `chunk` is referenced until drained. */
  send(chunk: Buffer, start: number, end: number): 'taken' | 'kept' {
    if (this.#state === 'closed') return 'taken'
    if (end - start < COPY_LIMIT_BYTES) {
      this.out.bytes(chunk, start, end)
      this.flush()
      return 'taken'
    }
    this.flushNow()
    return this.#socket.write(chunk.subarray(start, end)) ? 'taken' : 'kept'
  }

  /** true: the server doesn't take what is sent; stop writing and go on in whenDrained. */
  get isCongested(): boolean {
    return this.#socket.isCongested || this.out.length >= OUT_LIMIT_BYTES
  }

  /** The kernel has everything: what was sent may be changed. */
  get hasSentAll(): boolean {
    return this.#socket.pendingBytes === 0
  }

  /** Calls back once, when there is room or the connection is closed. */
  whenDrained(resume: () => void): void {
    this.flushNow()
    if (this.#state !== 'closed' && this.#socket.isCongested) this.#drainWaiters.push(resume)
    else setImmediate(resume)
  }

  /** Stops reading answers; what was already read still reaches the sink. */
  pause(): void {
    if (this.#isPaused || this.#state === 'closed') return
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#state !== 'closed') this.#socket.resume()
  }

  /**
   * Asks the server to cancel the request at the head, if it is `sink`'s (any, when not given). A cancel hits
   * whatever the server process is doing when it arrives: the connection isn't reusable until the promise is settled,
   * and nothing that must not be cancelled (COMMIT) may be sent before cancelsSettled().
   */
  cancel(sink?: ResponseSink): Promise<void> {
    const head = this.#sinks.peek()
    const isRunning = head !== undefined && (sink === undefined || head === sink)
    if (!isRunning || this.#state !== 'ready') return Promise.resolve()
    if (this.#headCancel?.head === head) return this.#headCancel.cancel
    if (this.#unsentSinks === this.#sinks.length) this.flushNow()
    const cancel: Promise<void> = sendCancelRequest({
      address: this.node,
      processId: this.#processId,
      secretKey: this.#secretKey,
      tls: this.#socket.isEncrypted ? this.#tls : undefined,
      timeoutMs: this.#cancelTimeoutMs,
    }).then((isSettled) => {
      this.#hasLostCancel ||= !isSettled
      this.#cancels.delete(cancel)
      if (this.#headCancel?.cancel === cancel) this.#headCancel = undefined
    })
    this.#cancels.add(cancel)
    this.#headCancel = { head, cancel }
    return cancel
  }

  get hasCancelInFlight(): boolean {
    return this.#cancels.size > 0
  }

  /** A cancel may hit what is sent now: one is on its way, or nobody knows what became of one. */
  get mayBeCancelled(): boolean {
    return this.#hasLostCancel || this.hasCancelInFlight
  }

  async cancelsSettled(): Promise<void> {
    while (this.#cancels.size > 0) await Promise.all(this.#cancels)
  }

  /** Ends the connection in any state. A request that is still running is cancelled; its sink is lost. */
  close(reason: RouterError = new BackendLost('server connection was closed', true)): void {
    if (this.#state === 'closed') return
    if (this.#sinks.length > 0 || this.#state === 'starting') {
      // what wasn't sent is not to be sent now
      this.out.reset()
      if (this.#unsentSinks < this.#sinks.length) void this.cancel()
      this.#socket.destroy()
    } else {
      writeTerminate(this.out)
      this.#socket.end(this.out.take())
    }
    this.#lose(reason)
  }

  #read(chunk: Buffer, length: number): boolean {
    if (this.#state === 'closed') return false
    this.#answerBytes += length
    try {
      const isKept = this.#reader.push(chunk, length)
      // nobody waits behind it
      if (this.#answerBytes > LONG_ANSWER_BYTES && this.#sinks.length === 1) {
        this.#socket.gather(length)
      }
      return isKept
    } catch (error) {
      const message = error instanceof ProtocolError ? error.message : 'failed to handle an answer'
      this.#socket.destroy()
      this.#lose(new BackendLost(message, true, { cause: error }))
      // a sink may have kept the chunk before the error
      return true
    }
  }

  #receive(type: number, chunk: Buffer, start: number, end: number): void {
    if (this.#state === 'closed') return
    if (type === Backend.readyForQuery) this.#ready(chunk, start, end)
    else if (type === Backend.parameterStatus) this.#setParameter(chunk, start, end)
    else if (type === Backend.backendKeyData) this.#setKey(chunk, start, end)
    else this.#pass(type, chunk, start, end)
  }

  #ready(chunk: Buffer, start: number, end: number): void {
    const sink = this.#sinks.peek()
    const status = this.#answered(chunk, start, end)
    sink?.ready(status)
  }

  #lastRun(chunk: Buffer, start: number, readyAt: number, end: number): boolean {
    const sink = this.#sinks.peek()
    const status = this.#answered(chunk, readyAt, end)
    return sink?.lastRun?.(chunk, start, readyAt, end, status) === true
  }

  /** The request at the head is done with; returns the transaction status. */
  #answered(chunk: Buffer, start: number, end: number): number {
    const status = chunk[start + 5] ?? 0
    if (this.#sinks.length === 0 || end - start !== 6 || !isTransactionStatus(status)) {
      throw new ProtocolError('unexpected ReadyForQuery from server')
    }
    this.#sinks.shift()
    this.answers++
    this.#answerBytes = 0
    // the same sink may be at the head again, for another request
    this.#headCancel = undefined
    this.#unsentSinks = Math.min(this.#unsentSinks, this.#sinks.length)
    this.#status = status
    if (this.#state === 'starting') this.#reader.liftStartupLimit()
    this.#state = 'ready'
    if (status === TransactionStatus.idle) this.settings.transactionEnded()
    return status
  }

  #setParameter(chunk: Buffer, start: number, end: number): void {
    const { name, value } = readParameterStatus(chunk.subarray(start, end))
    this.parameters.set(name, value)
    if (this.parameters.size > MAX_PARAMETERS) {
      throw new ProtocolError('too many parameters from server')
    }
    this.#pass(Backend.parameterStatus, chunk, start, end)
  }

  #setKey(chunk: Buffer, start: number, end: number): void {
    if (this.#state !== 'starting') throw new ProtocolError('unexpected key data from server')
    const { processId, secretKey } = readBackendKeyData(chunk.subarray(start, end))
    this.#processId = processId
    this.#secretKey = secretKey
  }

  #pass(type: number, chunk: Buffer, start: number, end: number): void {
    const sink = this.#sinks.peek()
    if (sink !== undefined) {
      if (isOnlyForStartup(type) && this.#state !== 'starting') {
        throw new ProtocolError('unexpected authentication message from server')
      }
      sink.message(type, chunk, start, end)
      return
    }
    switch (type) {
      case Backend.errorResponse:
        this.#lastWords = serverError(chunk.subarray(start, end))
        this.#socket.destroy()
        break
      case Backend.noticeResponse:
      case Backend.notificationResponse:
      case Backend.parameterStatus:
        this.onAsynchronous?.(type, chunk, start, end)
        break
      default:
        throw new ProtocolError('message from server without a request')
    }
  }

  #reasonOfClose(error: Error | undefined): RouterError {
    if (this.#lastWords !== undefined) return this.#lastWords
    const { host, port } = this.node
    const isNew = this.#state === 'starting' && this.#processId === 0
    const what = isNew
      ? `could not connect to server ${host}:${port}`
      : `server ${host}:${port} closed the connection unexpectedly`
    return new BackendLost(error === undefined ? what : `${what}: ${error.message}`, !isNew, {
      cause: error,
    })
  }

  /** Tells everyone, once. */
  #lose(reason: RouterError): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.out.reset()
    const details = { cause: reason }
    for (let sink = this.#sinks.shift(); sink !== undefined; sink = this.#sinks.shift()) {
      const wasSent = this.#sinks.length >= this.#unsentSinks
      sink.lost(new BackendLost(reason.message, wasSent, details))
    }
    this.#wakeDrainWaiters()
    this.onClosed?.(this, reason)
  }

  #wakeDrainWaiters(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const resume of waiters) resume()
  }
}

function isOnlyForStartup(type: number): boolean {
  return type === Backend.authentication || type === Backend.negotiateProtocolVersion
}
