import type { Lane } from '../backend/lane.ts'
import type { ServiceTime } from '../backend/service-time.ts'
import type { RouterError } from '../base/errors.ts'
import { StatementKeys } from '../executor/execution-keys.ts'
import { writeSpliced } from '../executor/splice-writer.ts'
import type { Plan } from '../planner/plan.ts'
import { LexResult } from '../sql/lexer.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import type { MessageProcessor } from './message-processor.ts'
import type { SessionParts } from './session-parts.ts'
import { isPlain, isSociable, StatementAim } from './statement-aim.ts'
import { NO_PARAMETERS } from './statement-runner.ts'

/** Longer messages go the ordinary way. */
const MAX_MESSAGE_BYTES = 16 * 1024

/** What tells of the end of what was begun here. */
export interface FastPathOwner {
  /** The answer is complete and written. */
  fastDone(): void
  fastFailed(error: unknown): void
}

/** Of the statement at hand, in the turn in which it is read: shared by all sessions. */
const literals = new LexResult()
const keys = new StatementKeys()
const aim = new StatementAim()

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
  /** Of the statement under way. */
  #lane: Lane | undefined
  #time: ServiceTime | undefined
  #bytes = 0
  #beganAtMs = 0
  #writtenBefore = 0
  #isRouted = false

  constructor(parts: SessionParts, processor: MessageProcessor, owner: FastPathOwner) {
    this.#parts = parts
    this.#processor = processor
    this.#owner = owner
  }

  /** The message in [start, end). true: it is under way. false: it is for MessageProcessor; nothing was done. */
  takes(type: number, chunk: Buffer, start: number, end: number): boolean {
    if (type !== Frontend.query || !this.#isReady || this.#parts.output.isCongested) return false
    return this.#query(chunk, start, end)
  }

  #query(chunk: Buffer, start: number, end: number): boolean {
    const textEnd = end - 1
    if (end - start > MAX_MESSAGE_BYTES || chunk[textEnd] !== 0) return false
    const cached = this.#processor.lookup(chunk, start + 5, textEnd, literals)
    if (cached === undefined || !isPlain(cached.plan)) return false
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
    const lane = isShared ? this.#parts.lanes.take(aim.nodeId, nowMs) : undefined
    const connection = lane?.connection ?? this.#own()
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
    if (error === undefined) clock.done(this.#isRouted ? 'router' : 'local', 1, nowMs)
    try {
      this.#processor.answered(error)
      output.flush()
      this.#owner.fastDone()
    } catch (fatal) {
      this.#owner.fastFailed(fatal)
    }
  }

  /** Statements of a session outside a transaction whose inbox is empty, or inside a block that hasn't failed. */
  get #isReady(): boolean {
    const { transaction, catalogs } = this.#parts
    if (catalogs.isStale || this.#processor.isSkipping) return false
    return transaction.status !== TransactionStatus.failed && !transaction.isImplicit
  }
}
