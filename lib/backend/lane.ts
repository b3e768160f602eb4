import { BackendLost } from '../base/errors.ts'
import type { BackendConnection } from './backend-connection.ts'
import { noteLaneWait } from './lane-figures.ts'
import type { ResponseSink } from './response-sink.ts'
import type { Settings } from './session-state.ts'

const MAX_STATEMENTS = 512
const MAX_BYTES = 256 * 1024
/** A head that has been running for so long lets nobody else stand behind it who could go elsewhere. */
export const OVERDUE_MS = 2
/** That much longer, where heads usually take long: on a busy machine all do, and more connections would make it busier. */
const USUAL_TIMES = 3
const MOST_OVERDUE_MS = 10
const WEIGHT = 0.05
/** What was answered along with the one before it says nothing. */
const AT_ONCE_MS = 0.02
/** Nor, after so long, anybody at all. */
export const STUCK_MS = 50

/**
 * A server connection on which short statements of many clients stand in one line, each with its own ReadyForQuery. Who enters
 * has checked accepts(), writes to the connection in the same turn, and leaves when his answer is complete.
 */
export class Lane {
  readonly connection: BackendConnection
  readonly settings: Settings
  readonly openedAtMs: number
  #count = 0
  #bytes = 0
  /** When the statement at the head began, as far as one can tell from here. */
  #headSinceMs = 0
  #entered = 0
  /** What heads took lately. */
  #usualMs = 0
  #isRetired = false
  /** Statements to be cancelled as soon as nobody stands before or behind them. */
  readonly #cancels = new Set<ResponseSink>()

  readonly #onEmpty: (lane: Lane) => void

  constructor(
    connection: BackendConnection,
    settings: Settings,
    nowMs: number,
    onEmpty: (lane: Lane) => void,
  ) {
    this.#onEmpty = onEmpty
    this.connection = connection
    this.settings = settings
    this.openedAtMs = nowMs
  }

  /** Statements that are not answered yet. */
  get count(): number {
    return this.#count
  }

  /** Statements so far. */
  get entered(): number {
    return this.#entered
  }

  get isOpen(): boolean {
    return this.connection.state === 'ready'
  }

  /** Takes no more statements, so that it falls empty and can be given back. */
  retire(): void {
    this.#isRetired = true
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  accepts(nowMs: number, patienceMs: number): boolean {
    if (this.#isRetired || this.connection.state !== 'ready') return false
    if (this.#count > 0) {
      if (this.#count >= MAX_STATEMENTS || this.#bytes >= MAX_BYTES) return false
      const usualMs = Math.min(USUAL_TIMES * this.#usualMs, MOST_OVERDUE_MS)
      if (nowMs - this.#headSinceMs > Math.max(patienceMs, usualMs)) return false
    }
    return this.#cancels.size === 0 && !this.connection.mayBeCancelled
  }

  enter(bytes: number, nowMs: number): void {
    if (this.#count === 0) this.#headSinceMs = nowMs
    this.#count++
    this.#bytes += bytes
    this.#entered++
  }

  /** Returns how long the server was at it. */
  leave(sink: ResponseSink, bytes: number, enteredAtMs: number, nowMs: number): number {
    const beganAtMs = Math.max(enteredAtMs, this.#headSinceMs)
    noteLaneWait(beganAtMs - enteredAtMs)
    this.#headSinceMs = nowMs
    const durationMs = nowMs - beganAtMs
    if (durationMs > AT_ONCE_MS) this.#usualMs += (durationMs - this.#usualMs) * WEIGHT
    this.#count--
    this.#bytes -= bytes
    if (this.#cancels.size > 0) {
      this.#cancels.delete(sink)
      this.#cancelIfAlone()
    }
    if (this.#count === 0) this.#onEmpty(this)
    return durationMs
  }

  /** Only where it can't hit a neighbour: best effort, as the protocol has it. Until then nobody enters. */
  cancel(sink: ResponseSink): void {
    this.#cancels.add(sink)
    this.#cancelIfAlone()
  }

  /** Closes the connection when nobody waits for an answer of it any more. */
  abandon(): void {
    if (this.#cancels.size < this.#count) return
    this.connection.close(new BackendLost('the server does not answer', true))
  }

  #cancelIfAlone(): void {
    if (this.#count !== 1) return
    for (const sink of this.#cancels) void this.connection.cancel(sink)
  }
}
