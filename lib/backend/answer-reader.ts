import { ProtocolError } from '../base/errors.ts'
import { Backend, HEADER_BYTES, MAX_LENGTH } from '../wire/message-codes.ts'

/** What the server's bytes mean to the connection that reads them. */
export interface AnswerHandler {
  /** Which messages go together. Asked anew after each that doesn't. */
  runs(): RunTable
  /** true: a row that the chunk cuts off is kept until it is whole. Asked at the end of a chunk. */
  wantsWholeRuns(): boolean
  rows(chunk: Buffer, start: number, end: number): boolean
  message(type: number, chunk: Buffer, start: number, end: number): void
  /** RowDescription in the midst of a run: may be changed in place. false: it goes to message() instead. */
  mends(chunk: Buffer, start: number, end: number): boolean
  /** A run that ends the answer: ReadyForQuery is [readyAt, end). */
  lastRun(chunk: Buffer, start: number, readyAt: number, end: number): boolean
}

/** Messages that libpq lets be long (VALID_LONG_MESSAGE_TYPE), and those that aren't: in bytes. */
const MAX_SHORT_LENGTH = 1024 * 1024
/** Any message before the first ReadyForQuery: who the server is hasn't been proved. */
const MAX_STARTUP_LENGTH = 64 * 1024
const FIRST_CARRY_BYTES = 4096
const NOTHING = Buffer.alloc(0)

/** By message type: how it is handed on. */
export type RunTable = Uint8Array

/** By itself, to message(). */
const ALONE = 0
/** As bytes of a run, which may begin and end in its midst. */
const SPLIT = 1
/** Whole, in a run. */
const JOINED = 2
/** JOINED, once mended. */
const MENDED = 3
/** JOINED, and the run's end. */
const LAST = 4

/** Every message by itself. */
export const NO_RUNS: RunTable = new Uint8Array(256)
/** Rows in runs. */
export const ROW_RUNS: RunTable = new Uint8Array(256)
ROW_RUNS[Backend.dataRow] = SPLIT
ROW_RUNS[Backend.copyData] = SPLIT
/** Whole answers in one run, for who passes on all that an undisturbed SELECT, INSERT, UPDATE or DELETE brings. */
export const ANSWER_RUNS: RunTable = ROW_RUNS.slice()
ANSWER_RUNS[Backend.parseComplete] = JOINED
ANSWER_RUNS[Backend.bindComplete] = JOINED
ANSWER_RUNS[Backend.rowDescription] = MENDED
ANSWER_RUNS[Backend.commandComplete] = JOINED
ANSWER_RUNS[Backend.readyForQuery] = LAST

const UNKNOWN = 0
const SHORT = 1
const LONG = 2

const KINDS = new Uint8Array(256)
for (const type of Object.values(Backend)) KINDS[type] = SHORT
KINDS[Backend.rowDescription] = LONG
KINDS[Backend.functionCallResponse] = LONG
KINDS[Backend.errorResponse] = LONG
KINDS[Backend.noticeResponse] = LONG
KINDS[Backend.notificationResponse] = LONG
KINDS[Backend.dataRow] = LONG
KINDS[Backend.copyData] = LONG
// only replication connections see it
KINDS[Backend.copyBothResponse] = UNKNOWN

/**
 * Walks the server's messages in place, with integers only. Rows are handed on as runs of bytes, which may begin
 * or end inside a message; so is, for who wants it, all of a plain answer; everything else whole. Only a message (or a header) that crosses a chunk's end is copied.
 */
export class AnswerReader {
  readonly #handler: AnswerHandler
  /** Bytes still to come of a row whose beginning was handed on. */
  #rowRest = 0
  /** The beginning of a message that the last chunk cut off, [0, #carried). */
  #carry: Buffer = NOTHING
  #carried = 0
  #maxLength = MAX_STARTUP_LENGTH
  /** true: the handler still refers to the chunk at hand. */
  #isKept = false

  constructor(handler: AnswerHandler) {
    this.#handler = handler
  }

  /** The server has let us in: from now on messages may be as long as the protocol has it. */
  liftStartupLimit(): void {
    this.#maxLength = MAX_LENGTH
  }

  /** Returns whether `chunk` is still referenced. Throws ProtocolError, after which nothing more may be pushed. */
  push(chunk: Buffer, end: number): boolean {
    this.#isKept = false
    let at = 0
    if (this.#carried > 0) at = this.#finishCarried(chunk, end)
    if (this.#carried === 0 && at < end) this.#walk(chunk, at, end)
    return this.#isKept
  }

  #walk(chunk: Buffer, start: number, end: number): void {
    const handler = this.#handler
    let at = start
    let runStart = start
    if (this.#rowRest > 0) {
      at = Math.min(end, start + this.#rowRest)
      this.#rowRest -= at - start
    }
    let runs = handler.runs()
    while (end - at >= HEADER_BYTES) {
      const type = chunk[at] ?? 0
      const next = at + messageSize(chunk, at, this.#maxLength)
      const kind = runs[type] ?? ALONE
      if (next > end) {
        if (kind === SPLIT) at = this.#endOfRun(at, next - at, end)
        break
      }
      if (
        kind === SPLIT ||
        kind === JOINED ||
        (kind === MENDED && handler.mends(chunk, at, next))
      ) {
        at = next
        continue
      }
      this.#endRun(kind, chunk, runStart, at, next)
      at = next
      runStart = at
      runs = handler.runs()
    }
    if (at > runStart) this.#passRows(chunk, runStart, at)
    if (at < end) this.#keepForLater(chunk, at, end)
  }

  /** Where the run ends whose last row, at `at`, goes on beyond the chunk. */
  #endOfRun(at: number, size: number, end: number): number {
    if (this.#handler.wantsWholeRuns()) return at
    this.#rowRest = size - (end - at)
    return end
  }

  #passRows(chunk: Buffer, start: number, end: number): void {
    if (this.#handler.rows(chunk, start, end)) this.#isKept = true
  }

  /** With the message in [at, next), after the run that begins at `runStart`. */
  #endRun(kind: number, chunk: Buffer, runStart: number, at: number, next: number): void {
    if (kind === LAST) {
      if (this.#handler.lastRun(chunk, runStart, at, next)) this.#isKept = true
      return
    }
    if (at > runStart) this.#passRows(chunk, runStart, at)
    this.#handler.message(chunk[at] ?? 0, chunk, at, next)
  }

  /** Goes on with the message that the last chunk began; returns how much of this one it took. */
  #finishCarried(chunk: Buffer, end: number): number {
    let at = 0
    if (this.#carried < HEADER_BYTES) {
      at = Math.min(end, HEADER_BYTES - this.#carried)
      this.#keepForLater(chunk, 0, at)
      if (this.#carried < HEADER_BYTES) return at
    }
    const size = messageSize(this.#carry, 0, this.#maxLength)
    const type = this.#carry[0] ?? 0
    const isRun = this.#handler.runs()[type] === SPLIT
    if (isRun && !this.#handler.wantsWholeRuns()) {
      const head = this.#takeCarried()
      this.#rowRest = size - head.length
      this.#handler.rows(head, 0, head.length)
      return at
    }
    const used = Math.min(end - at, size - this.#carried)
    this.#keepForLater(chunk, at, at + used)
    at += used
    if (this.#carried === size) {
      const message = this.#takeCarried()
      if (isRun) this.#handler.rows(message, 0, size)
      else this.#handler.message(type, message, 0, size)
    }
    return at
  }

  /** What was carried is the caller's now: the handler may keep or re-enter. */
  #takeCarried(): Buffer {
    const carried = this.#carry.subarray(0, this.#carried)
    this.#carry = NOTHING
    this.#carried = 0
    return carried
  }

  /** Grows with what has arrived, never with what a length promises. */
  #keepForLater(chunk: Buffer, start: number, end: number): void {
    const needed = this.#carried + end - start
    if (needed > this.#carry.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(needed, this.#carry.length * 2, FIRST_CARRY_BYTES),
      )
      this.#carry.copy(grown, 0, 0, this.#carried)
      this.#carry = grown
    }
    chunk.copy(this.#carry, this.#carried, start, end)
    this.#carried = needed
  }
}

/** Type byte included. The header must be there. */
function messageSize(chunk: Buffer, at: number, maxLength: number): number {
  const length =
    (((chunk[at + 1] ?? 0) << 24) |
      ((chunk[at + 2] ?? 0) << 16) |
      ((chunk[at + 3] ?? 0) << 8) |
      (chunk[at + 4] ?? 0)) >>>
    0
  const kind = KINDS[chunk[at] ?? 0]
  if (
    kind === UNKNOWN ||
    length < 4 ||
    length > maxLength ||
    (kind === SHORT && length > MAX_SHORT_LENGTH)
  ) {
    throw new ProtocolError('invalid message from server', { severity: 'ERROR' })
  }
  return length + 1
}
