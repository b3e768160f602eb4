import type { BackendConnection } from '../backend/backend-connection.ts'
import { type Lane, OVERDUE_MS, STUCK_MS } from '../backend/lane.ts'
import type { ServiceTime } from '../backend/service-time.ts'
import type { RouterError } from '../base/errors.ts'
import { StatementKeys } from '../executor/execution-keys.ts'
import { writeSpliced } from '../executor/splice-writer.ts'
import type { Plan, SessionPlan } from '../planner/plan.ts'
import { LexResult } from '../sql/lexer.ts'
import { writeCommandComplete } from '../wire/backend-messages.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import { BindGroup } from './bind-group.ts'
import { ExtendedRequest, parametersOf } from './extended-request.ts'
import type { MessageProcessor } from './message-processor.ts'
import type { SessionParts } from './session-parts.ts'
import { isPlain, isSociable, StatementAim } from './statement-aim.ts'
import { NO_PARAMETERS } from './statement-runner.ts'

/** Longer messages go the ordinary way. */
const MAX_MESSAGE_BYTES = 16 * 1024

/** What tells of the end of what was begun here. */
export interface FastPathOwner {
  /**
   * The answer is complete and written, unless a fault ends the session, or nothing was answered: then the messages in
   * `again` are to be carried out in the ordinary way.
   */
  fastEnded(fault?: { readonly error: unknown }, again?: Buffer): void
}

/** Of the statement at hand, in the turn in which it is read: shared by all sessions. */
const literals = new LexResult()
const keys = new StatementKeys()
const aim = new StatementAim()
const group = new BindGroup()

const LETTER_B = 0x62

const HANDLED: ReadonlySet<number> = new Set([Frontend.query, Frontend.bind])

/**
 * The way of a statement whose shape is known, straight from the client's read buffer into a server connection's `out`: nothing
 * is awaited, copied aside or allocated. Whatever is unusual is left to MessageProcessor. One statement at a time.
 *
 *   read buffer -> shape cache -> aim -> lane or own connection     answer -> RelaySink -> ClientOutput, one write
 */
export class FastPath {
  readonly #parts: SessionParts
  readonly #processor: MessageProcessor
  readonly #owner: FastPathOwner
  readonly #onDone = (error: RouterError | undefined): void => this.#done(error)
  readonly #request: ExtendedRequest
  /** What is being read, and up to where its messages are under way. */
  #chunk: Buffer | undefined
  #chunkEnd = 0
  #takenEnd = 0
  /** Of the statement under way. */
  #retried: ExtendedRequest | undefined
  #lane: Lane | undefined
  #time: ServiceTime | undefined
  #bytes = 0
  #beganAtMs = 0
  #writtenBefore = 0
  #isRouted = false
  #isUnderWay = false

  constructor(parts: SessionParts, processor: MessageProcessor, owner: FastPathOwner) {
    this.#parts = parts
    this.#processor = processor
    this.#owner = owner
    this.#request = new ExtendedRequest(parts, aim)
  }

  /** Before the messages of [0, length) are handed on one by one. */
  reading(chunk: Buffer, length: number): void {
    this.#chunk = chunk
    this.#chunkEnd = length
    this.#takenEnd = 0
  }

  /** The message at `start` went along with one before it. */
  hasTaken(chunk: Buffer, start: number): boolean {
    return start < this.#takenEnd && chunk === this.#chunk
  }

  /** Of what was taken last: fastEnded() will follow. false: it has been answered already. */
  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /**
   * The message in [start, end), and those behind it in its chunk that belong to it. true: taken. false: they are for
   * MessageProcessor; nothing was done.
   */
  takes(type: number, chunk: Buffer, start: number, end: number): boolean {
    if (!HANDLED.has(type) || !this.#isReady || this.#parts.output.isCongested) return false
    this.#isUnderWay = true
    if (type === Frontend.query) return this.#query(chunk, start, end)
    if (chunk !== this.#chunk || !this.#bind(chunk, start, end, this.#chunkEnd)) return false
    this.#takenEnd = group.end
    return true
  }

  #bind(chunk: Buffer, start: number, end: number, chunkEnd: number): boolean {
    const { prepared } = this.#parts
    if (!group.read(chunk, start, end, chunkEnd)) return false
    const length = group.end - start
    const name = chunk.toString('utf8', group.nameStart, group.nameEnd)
    const statement = name === '' ? undefined : prepared.find(name)
    const planned = statement?.planned
    if (length > MAX_MESSAGE_BYTES || statement === undefined || planned === undefined) return false
    const isSame = statement.description?.parameterTypes.length === group.parameterCount
    if (!isSame || !isPlain(planned.plan) || !this.#processor.isCurrent(planned)) return false
    keys.reset(planned.text, planned.literals, parametersOf(statement, chunk, start, end))
    if (!this.#resolve(planned.plan)) return false
    if (!this.#begin(planned.plan, planned.times.of(aim.shardIndex), length)) return false
    this.#parts.counters.binds++
    this.#request.write(chunk, statement, planned, group)
    this.#request.keep(chunk, start, group.end)
    this.#retried = this.#request
    this.#parts.relay.finish(this.#onDone)
    return true
  }

  #query(chunk: Buffer, start: number, end: number): boolean {
    const textEnd = end - 1
    if (end - start > MAX_MESSAGE_BYTES || chunk[textEnd] !== 0) return false
    const cached = this.#processor.lookup(chunk, start + 5, textEnd, literals)
    if (cached === undefined) return false
    if (cached.plan.kind === 'session') return this.#begins(cached.plan, chunk, start + 5, textEnd)
    if (!isPlain(cached.plan)) return false
    keys.reset(chunk, literals, NO_PARAMETERS)
    if (!this.#resolve(cached.plan)) return false
    const { shardIndex, splices } = aim
    if (!this.#begin(cached.plan, cached.times.of(shardIndex), end - start)) return false
    const { relay } = this.#parts
    const { connection, sink } = relay
    if (connection === undefined) return true
    const { out } = connection
    const mark = out.begin(Frontend.query)
    if (shardIndex === undefined) {
      sink.positions.reset(chunk, start + 5, textEnd)
      out.bytes(chunk, start + 5, textEnd)
    } else {
      const { positions } = sink
      writeSpliced(out, chunk, start + 5, textEnd, literals, splices, shardIndex, positions)
    }
    out.byte(0)
    out.end(mark)
    relay.finish(this.#onDone)
    return true
  }

  /** Cancels what is under way on a lane; false: nothing is. */
  cancel(): boolean {
    if (this.#lane === undefined) return false
    this.#lane.cancel(this.#parts.relay.sink)
    return true
  }

  /** BEGIN outside a block: nothing is sent anywhere. Others are MessageProcessor's. */
  #begins({ command }: SessionPlan, text: Buffer, start: number, end: number): boolean {
    const { transaction, clock, output } = this.#parts
    // START TRANSACTION has a tag of its own
    const isBegin = command.kind === 'begin' && ((text[start] ?? 0) | 0x20) === LETTER_B
    if (!isBegin || transaction.isInBlock) return false
    clock.start()
    transaction.begin(text.toString('utf8', start, end).replace(/;\s*$/, ''))
    writeCommandComplete(output.frames, 'BEGIN')
    clock.done('command')
    this.#processor.answered(undefined)
    output.flush()
    this.#isUnderWay = false
    return true
  }

  /** In a block the unnamed portal outlives Sync. */
  #keepPortal({ statement }: ExtendedRequest): void {
    const { transaction, relay } = this.#parts
    const connection = relay.sink.connection as BackendConnection | undefined
    if (!transaction.isInBlock || statement === undefined || connection === undefined) return
    this.#processor.portalDone(statement, connection)
  }

  #resolve(plan: Plan): boolean {
    try {
      return aim.resolve(plan, this.#parts.catalogs.current(), keys)
    } catch {
      // said again, properly, on the ordinary way
      return false
    }
  }

  /** Opens a connection for one request. false: none is free. */
  #begin(plan: Plan, time: ServiceTime, bytes: number): boolean {
    const { transaction, relay, catalogs, output, clock } = this.#parts
    const nowMs = performance.now()
    const isShared = isSociable(plan) && transaction.isFree && time.isFast(nowMs)
    const { lanes } = this.#parts
    let lane = isShared ? lanes.take(aim.nodeId, nowMs, OVERDUE_MS) : undefined
    const own = lane === undefined ? this.#own() : undefined
    // behind a late head it is better than in the pool's queue, where all that is slow waits too
    if (isShared && own === undefined) lane ??= lanes.take(aim.nodeId, nowMs, STUCK_MS)
    const connection = lane?.connection ?? own
    if (connection === undefined) return false
    this.#lane = lane
    this.#time = time
    this.#bytes = bytes
    this.#beganAtMs = nowMs
    this.#writtenBefore = output.bytesWritten
    this.#isRouted = aim.shardIndex !== undefined
    clock.start(nowMs)
    if (lane !== undefined) {
      lane.enter(bytes, nowMs)
      output.counters.serverAssignments++
    }
    relay.begin(connection, catalogs.current())
    relay.sink.isShared = lane !== undefined
    return true
  }

  #own() {
    try {
      const connection = this.#parts.transaction.connectionNow(aim.nodeId, aim.access)
      return connection?.state === 'ready' ? connection : undefined
    } catch {
      return undefined
    }
  }

  #done(error: RouterError | undefined): void {
    const { output, clock, relay } = this.#parts
    const nowMs = performance.now()
    const lane = this.#lane
    this.#lane = undefined
    const durationMs =
      lane === undefined
        ? nowMs - this.#beganAtMs
        : lane.leave(relay.sink, this.#bytes, this.#beganAtMs, nowMs)
    const bytes = output.bytesWritten - this.#writtenBefore
    this.#time?.note(durationMs, bytes, nowMs, lane === undefined)
    const request = this.#retried
    this.#retried = undefined
    if (error !== undefined && request?.isToRetry(error) === true) {
      this.#parts.transaction.endStatement(false)
      this.#owner.fastEnded(undefined, request.messages)
      return
    }
    if (error === undefined) {
      request?.succeeded()
      if (request !== undefined) this.#keepPortal(request)
      clock.done(this.#isRouted ? 'router' : 'local', 1, nowMs)
    }
    try {
      this.#processor.answered(error)
      output.flush()
    } catch (error) {
      this.#owner.fastEnded({ error })
      return
    }
    this.#owner.fastEnded()
  }

  /** Statements of a session outside a transaction whose inbox is empty, or inside a block that hasn't failed. */
  get #isReady(): boolean {
    const { transaction, catalogs } = this.#parts
    if (catalogs.isStale || !transaction.isProven || this.#processor.isSkipping) return false
    return transaction.status !== TransactionStatus.failed && !transaction.isImplicit
  }
}
