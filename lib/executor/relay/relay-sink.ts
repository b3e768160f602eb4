import { ANSWER_RUNS, ROW_RUNS } from '../../backend/answer-reader.ts'
import type { ResponseSink } from '../../backend/response-sink.ts'
import type { BackendLost, RouterError } from '../../base/errors.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { Backend } from '../../wire/message-codes.ts'
import { type ClientPort, COPIED_BYTES } from '../ports.ts'
import { AnswerScript } from './answer-script.ts'
import { mendError, mendMessage } from './error-rewriting.ts'
import { PositionMap } from './position-map.ts'
import { mapRowDescription } from './row-description-mapping.ts'

/** What is relayed from: a BackendConnection. */
export interface RelaySource {
  readonly node: { readonly nodeId: number }
  pause(): void
  resume(): void
}

/** Who relays. Called synchronously; no promise is on this way. */
export interface RelayOwner {
  /**
   * ReadyForQuery came; read the relay's fields before reusing it. The error, if any, has not been written to the
   * client unless `writesErrors`.
   */
  relayDone(relay: RelaySink): void
  /** Whether the server's own ReadyForQuery may be passed on: nothing else is to be said before it. */
  passesReady(status: number): boolean
  /** The connection died instead. */
  relayLost(relay: RelaySink, error: BackendLost): void
  parameterStatus(name: string, value: string): void
  notification(chunk: Buffer, start: number, end: number): void
  /** CopyInResponse has been passed on: the client's CopyData are for relay.connection now. */
  copyInStarted(relay: RelaySink): void
}

/** The longest command tag is `CREATE TEXT SEARCH CONFIGURATION`; those with numbers are shorter than this too. */
const TAG_BYTES = 128
const NOTHING = Buffer.alloc(0)
const BLANK = 0x20
const DIGIT_0 = 0x30
const DIGIT_1 = 0x31
const COMPLETIONS: ReadonlySet<number> = new Set([
  Backend.commandComplete,
  Backend.emptyQueryResponse,
  Backend.portalSuspended,
  Backend.parseComplete,
  Backend.bindComplete,
  Backend.closeComplete,
  Backend.noData,
])

/**
 * Passes one answer on to the client as it comes, rows as runs of bytes. Made once, reused for many requests: reset()
 * before each. It lives in its connection's queue from open() to relayDone or relayLost.
 */
export class RelaySink implements ResponseSink {
  /** What the splicing did to the text; filled by the writer of the request. */
  readonly positions = new PositionMap()
  readonly script = new AnswerScript()
  /** Errors go to the client at once (a client that flushes without Sync waits for them). */
  writesErrors = false
  /** All of a plain answer goes on as it comes: only without a script. */
  isPlain = false
  /** ReadyForQuery has gone to the client with the rest. */
  hasPassedReady = false
  /** Others' answers come by the same connection: a slow client may stop it only as a last resort. */
  isShared = false
  /** RowDescription answers a Describe message rather than a Query. */
  isExtended = false
  /** BEGIN goes along: without it nothing of the request has taken effect. */
  isLed = false
  /** So many messages of the answer are still to come that answer what leads. */
  #lead = 0

  /** The first error of the answer, mended. */
  error: RouterError | undefined
  /** Something of this answer went to the client: the request can't be tried again. */
  hasAnswered = false
  /** The byte of ReadyForQuery. */
  status = 0
  /** The tag of a SELECT has counted no more. */
  isOneRow = false
  /** The type of the message with which the answer began, errors and notices apart. */
  firstOfRun = 0
  copyState: 'none' | 'in' | 'out' = 'none'

  readonly #client: ClientPort
  readonly #owner: RelayOwner
  #tag: Buffer = NOTHING
  #tagLength = 0
  #connection: RelaySource | undefined
  #catalog: Catalog | undefined
  readonly #resume = (): void => this.#connection?.resume()

  constructor(client: ClientPort, owner: RelayOwner) {
    this.#client = client
    this.#owner = owner
  }

  /** Before the request is written: `script` and `positions` are filled after this. */
  reset(connection: RelaySource, catalog: Catalog): void {
    this.#connection = connection
    this.#catalog = catalog
    this.script.reset()
    this.writesErrors = false
    this.isExtended = false
    this.isLed = false
    this.#lead = 0
    this.isShared = false
    this.isPlain = false
    this.hasPassedReady = false
    this.firstOfRun = 0
    this.isOneRow = false
    this.error = undefined
    this.hasAnswered = false
    this.status = 0
    this.copyState = 'none'
    this.#tagLength = 0
  }

  get connection(): RelaySource | undefined {
    return this.#connection
  }

  /** Of the last command of the answer; empty if there was none. */
  get tag(): string {
    return this.#tag.toString('latin1', 0, this.#tagLength)
  }

  /** As `tag === other`, without a string being made. */
  isTag(other: Buffer): boolean {
    if (this.#tagLength !== other.length) return false
    for (let at = 0; at < other.length; at++) if (this.#tag[at] !== other[at]) return false
    return true
  }

  /** What goes before the client's own request is answered by so many messages, none of them rows. */
  expectLead(messages: number): void {
    this.isLed = true
    this.#lead = messages
  }

  /** As many messages come before those that are for the client, none of them rows. */
  expectDropped(messages: number): void {
    this.#lead = messages
  }

  /** What leads has not been answered. */
  get isLeadDue(): boolean {
    return this.#lead > 0
  }

  get runs() {
    return this.isPlain ? ANSWER_RUNS : ROW_RUNS
  }

  rows(chunk: Buffer, start: number, end: number): boolean {
    if (this.error !== undefined) return false
    const from = this.#lead === 0 ? start : this.#dropLead(chunk, start, end)
    if (from === end) return false
    if (this.firstOfRun === 0) this.firstOfRun = chunk[from] ?? 0
    return this.#pass(chunk, from, end)
  }

  mends(chunk: Buffer, start: number, end: number): boolean {
    if (this.#connection === undefined || this.#catalog === undefined) return false
    const { nodeId } = this.#connection.node
    return mapRowDescription(chunk, start, end, nodeId, this.#catalog) === undefined
  }

  lastRun(chunk: Buffer, start: number, readyAt: number, end: number, status: number): boolean {
    this.status = status
    this.isOneRow = countsOne(chunk, readyAt - 1)
    let isKept = false
    if (this.error === undefined) {
      this.hasPassedReady = this.#owner.passesReady(status)
      const runEnd = this.hasPassedReady ? end : readyAt
      const from = this.#lead === 0 ? start : this.#dropLead(chunk, start, runEnd)
      if (runEnd > from) {
        this.hasAnswered = true
        isKept = this.#writeNow(chunk, from, runEnd) === 'kept'
      }
    }
    this.#owner.relayDone(this)
    return isKept
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (this.#lead > 0 && COMPLETIONS.has(type)) this.#lead--
    else if (COMPLETIONS.has(type)) this.#completion(type, chunk, start, end)
    else if (type === Backend.rowDescription) this.#rowDescription(chunk, start, end)
    else if (type === Backend.errorResponse) this.#errorResponse(chunk, start, end)
    else this.#rareMessage(type, chunk, start, end)
  }

  /** Of a run of whole messages; returns where the client's own begin. */
  #dropLead(chunk: Buffer, start: number, end: number): number {
    let at = start
    for (; this.#lead > 0 && at < end; this.#lead--) at += 1 + chunk.readInt32BE(at + 1)
    return at
  }

  #rareMessage(type: number, chunk: Buffer, start: number, end: number): void {
    switch (type) {
      case Backend.noticeResponse: {
        const notice = mendMessage(chunk, start, end, this)
        this.#write(notice, 0, notice.length)
        break
      }
      case Backend.parameterStatus:
        this.#parameterStatus(chunk, start, end)
        break
      case Backend.notificationResponse:
        this.#owner.notification(chunk, start, end)
        break
      case Backend.parameterDescription:
        if (this.script.passesNext) this.#passAnswer(chunk, start, end)
        break
      default:
        this.#copyMessage(type, chunk, start, end)
    }
  }

  ready(status: number): void {
    this.status = status
    this.isOneRow = countsOne(this.#tag, this.#tagLength)
    if (this.error === undefined) this.#writeOwnAnswers()
    this.#owner.relayDone(this)
  }

  lost(error: BackendLost): void {
    this.#owner.relayLost(this, error)
  }

  #completion(type: number, chunk: Buffer, start: number, end: number): void {
    if (this.firstOfRun === 0) this.firstOfRun = type
    this.#writeOwnAnswers()
    if (type === Backend.commandComplete) this.#keepTag(chunk, start, end)
    if (this.script.passesNext) this.#passAnswer(chunk, start, end)
    this.script.advance()
  }

  #rowDescription(chunk: Buffer, start: number, end: number): void {
    const { error: refusal } = this
    if (this.isExtended) this.#writeOwnAnswers()
    if (this.script.passesNext && this.#connection && this.#catalog) {
      const { nodeId } = this.#connection.node
      const found = mapRowDescription(chunk, start, end, nodeId, this.#catalog)
      if (found === undefined) this.#passAnswer(chunk, start, end)
      else this.error = refusal ?? found
    }
    if (this.isExtended) this.script.advance()
  }

  #copyMessage(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.copyInResponse) this.copyState = 'in'
    else if (type === Backend.copyOutResponse) this.copyState = 'out'
    this.#passAnswer(chunk, start, end)
    if (type === Backend.copyInResponse && this.error === undefined) this.#owner.copyInStarted(this)
  }

  #errorResponse(chunk: Buffer, start: number, end: number): void {
    if (this.error !== undefined) return
    this.#writeOwnAnswers()
    const error = mendError(chunk, start, end, this)
    this.error = error
    if (this.writesErrors) this.#write(error.frame, 0, error.frame.length)
  }

  #parameterStatus(chunk: Buffer, start: number, end: number): void {
    const nameEnd = chunk.indexOf(0, start + 5)
    const name = chunk.toString('utf8', start + 5, nameEnd)
    this.#owner.parameterStatus(name, chunk.toString('utf8', nameEnd + 1, end - 1))
  }

  #keepTag(chunk: Buffer, start: number, end: number): void {
    if (this.#tag === NOTHING) this.#tag = Buffer.alloc(TAG_BYTES)
    this.#tagLength = Math.min(end - start - 6, TAG_BYTES)
    // so few bytes that copy() would take longer
    for (let at = 0; at < this.#tagLength; at++) this.#tag[at] = chunk[start + 5 + at] ?? 0
  }

  #writeOwnAnswers(): void {
    if (this.error !== undefined) return
    for (let own = this.script.takeOwn(); own !== undefined; own = this.script.takeOwn()) {
      this.#write(own, 0, own.length)
    }
  }

  #passAnswer(chunk: Buffer, start: number, end: number): void {
    if (this.error === undefined) this.#write(chunk, start, end)
  }

  #write(chunk: Buffer, start: number, end: number): void {
    // a small message is copied; should a large one be kept, it must not be in the connection's buffer
    if (end - start < COPIED_BYTES) this.#pass(chunk, start, end)
    else this.#pass(Buffer.from(chunk.subarray(start, end)), 0, end - start)
  }

  #pass(chunk: Buffer, start: number, end: number): boolean {
    this.hasAnswered = true
    const kept = this.#client.write(chunk, start, end) === 'kept'
    if (this.#client.isCongested && this.#connection !== undefined) this.#holdBack()
    return kept
  }

  #writeNow(chunk: Buffer, start: number, end: number): 'taken' | 'kept' {
    const client = this.#client
    return client.writeNow?.(chunk, start, end) ?? client.write(chunk, start, end)
  }

  #holdBack(): void {
    if (this.isShared && this.#client.isFlooded !== true) return
    this.#connection?.pause()
    this.#client.whenDrained(this.#resume)
  }
}

/** The tag that ends there counts no row, or one. */
function countsOne(bytes: Buffer, end: number): boolean {
  const digit = bytes[end - 1]
  return bytes[end - 2] === BLANK && (digit === DIGIT_0 || digit === DIGIT_1)
}
