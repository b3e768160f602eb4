import type { BackendConnection } from '../../backend/backend-connection.ts'
import { turnBeganMs } from '../../backend/flush-turn.ts'
import { type Lane, OVERDUE_MS } from '../../backend/lane.ts'
import { nowMs } from '../../base/clock.ts'
import type { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { type NodeShards, shardsByNode } from '../../catalog/node-shards.ts'
import { keptStatement } from '../../executor/scatter/kept-statement.ts'
import { knownMultiPlan } from '../../executor/scatter/multi-plan.ts'
import { isQuickScatter, scatterBegan, scatterEnded } from '../../executor/scatter/scatter-times.ts'
import { isUnitable, unitedStatement } from '../../executor/scatter/united-statement.ts'
import {
  checkColumns,
  isResultTypeChange,
  isStaleStatement,
} from '../../executor/stale-statement.ts'
import { withFormats } from '../../executor/statement-description.ts'
import type { ScatterSelect } from '../../planner/plan.ts'
import { writeBindComplete, writeCommandComplete } from '../../wire/backend-messages.ts'
import { Frontend } from '../../wire/message-codes.ts'
import { writeRowDescription } from '../../wire/row-description.ts'
import type { PreparedStatement } from '../extended/prepared-statements.ts'
import type { SessionParts } from '../session-parts.ts'
import type { PlannedStatement } from '../statement-planner.ts'
import { type BindGroup, DESCRIBE, EXECUTE_ALL, SYNC } from './bind-group.ts'
import { FanOutAnswer, type FanOutAnswers } from './fan-out-answer.ts'
import { tellsLess } from './literal-parameters.ts'
import type { ScatterRead } from './scatter-read.ts'

/** A run that takes longer has no business here: ParallelScatter does better. */
const QUICK_MS = 10
/** After an error the others may go on for so long before they are cancelled. */
const PATIENCE_MS = 100

/** `again`: nothing was answered; the statement may go well on the ordinary way. */
export type FanOutDone = (error: RouterError | undefined, again: boolean) => void

/**
 * A prepared SELECT over all shards whose rows are the answer as they come: the fast path's way with one statement a node
 * (united-statement.ts). Only what the executor has run so before, and found quick. One statement at a time; nothing is awaited,
 * and nothing allocated for a row.
 *
 *   Bind  -> node 1: Bind, Execute, Sync  -> rows \
 *         -> node 2: Bind, Execute, Sync  -> rows  > ClientOutput     head before the first row, tag after the last answer
 */
export class FanOut implements FanOutAnswers {
  readonly #parts: SessionParts
  readonly #onDone: FanOutDone
  readonly #answers: FanOutAnswer[] = []
  #lanes: Lane[] = []
  /** Answers that are not complete. */
  #pending = 0
  #rowCount = 0
  #beganAtMs = 0
  #longestMs = 0
  #writtenBefore = 0
  #bytes = 0
  #hasAnswered = false
  #error: RouterError | undefined
  #timer: NodeJS.Timeout | undefined
  /** Of the statement under way. */
  #statement: PreparedStatement | undefined
  #planned: PlannedStatement | undefined
  #worker: ScatterSelect['worker'] | undefined
  #describes = false
  /** Of a Query; undefined: of the extended protocol. */
  #read: ScatterRead | undefined
  #resultFormats: readonly number[] = []

  constructor(parts: SessionParts, onDone: FanOutDone) {
    this.#parts = parts
    this.#onDone = onDone
  }

  get isUnderWay(): boolean {
    return this.#pending > 0
  }

  /** The client has heard something of the statement. */
  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  /**
   * The group at hand, which begins at `start`. `read`: it stands for a Query. false: for the ordinary way; nothing was done.
   */
  takes(
    chunk: Buffer,
    start: number,
    statement: PreparedStatement,
    planned: PlannedStatement,
    group: BindGroup,
    read?: ScatterRead,
  ): boolean {
    if (this.#parts.transaction.consistency.isWanted) return false
    const scatter = this.#scatterOf(planned)
    if (scatter === undefined || scatter.parameters.length !== group.valueCount) return false
    if (group.describes && statement.description?.fields === undefined) return false
    const nodes = shardsByNode(scatter.table.shards)
    const atMs = nowMs()
    if (!this.#connect(nodes, planned, atMs)) return false
    this.#statement = statement
    this.#read = read
    this.#planned = planned
    this.#worker = scatter.worker
    this.#describes = group.describes
    // the client's buffer is another's when the answer comes
    if (group.describes) this.#resultFormats = group.resultFormats(chunk)
    this.#begin(group.end - start, atMs)
    const types = statement.description?.parameterTypes ?? []
    for (const [index, { shards }] of nodes.entries()) {
      const answer = this.#answers[index]
      if (answer !== undefined) this.#send(answer, scatter, types, shards, chunk, group)
    }
    return true
  }

  /** Best effort, as the protocol has it. */
  cancel(): void {
    for (const answer of this.#answers) {
      if (answer.isDone) continue
      if (answer.lane === undefined) void answer.connection?.cancel(answer)
      else answer.lane.cancel(answer)
    }
  }

  // -- answers --------------------------------------------------------------------------------------------------

  rows(answer: FanOutAnswer, chunk: Buffer, start: number, end: number): boolean {
    const { output } = this.#parts
    if (this.#error !== undefined) return false
    this.#writeHead()
    const isKept = output.write(chunk, start, end) === 'kept'
    const isTooMuch = answer.lane === undefined ? output.isCongested : output.isFlooded
    if (isTooMuch) holdBack(answer.connection, output)
    return isKept
  }

  described(description: Buffer): void {
    checkColumns(description, this.#statement?.description?.fields)
  }

  notice(message: Buffer): void {
    this.#parts.output.write(message, 0, message.length)
  }

  failed(error: RouterError): void {
    if (this.#error !== undefined) return
    this.#error = error
    this.#timer = setTimeout(() => this.cancel(), PATIENCE_MS)
  }

  done(answer: FanOutAnswer): void {
    const atMs = nowMs()
    const { lane, connection } = answer
    this.#rowCount += answer.rowCount
    const durationMs =
      lane === undefined
        ? atMs - this.#beganAtMs
        : lane.leave(answer, this.#bytes, this.#beganAtMs, atMs)
    if (durationMs > this.#longestMs) this.#longestMs = durationMs
    const error = this.#error
    if (error !== undefined && (answer.isNew || isStaleStatement(error))) {
      connection?.prepared.drop(answer.key)
    }
    if (--this.#pending === 0) this.#finish(atMs)
  }

  #finish(atMs: number): void {
    clearTimeout(this.#timer)
    this.#parts.servers.lanes = []
    const error = this.#error
    this.#noteTimes(atMs)
    if (error === undefined) this.#complete(atMs)
    const isUnheard = this.#parts.output.bytesWritten === this.#writtenBefore
    const isToRetry = error !== undefined && isUnheard && this.#mayRetry(error)
    if (isToRetry) this.#parts.transaction.endStatement(false)
    this.#onDone(isToRetry ? undefined : this.#shown(error), isToRetry)
  }

  #mayRetry(error: RouterError): boolean {
    const statement = this.#statement
    if (this.#read === undefined) {
      if (statement !== undefined && isResultTypeChange(error)) statement.isOutdated = true
      return isStaleStatement(error)
    }
    this.#read.passOnce()
    return tellsLess(error, false)
  }

  #complete(atMs: number): void {
    this.#writeHead()
    this.#read?.took(this.#longestMs)
    writeCommandComplete(this.#parts.output.frames, `SELECT ${this.#rowCount}`)
    if (this.#describes) this.#statement?.told()
    this.#parts.clock.done('scatter', 1, atMs)
  }

  #noteTimes(atMs: number): void {
    const isAlone = this.#lanes.length === 0
    const bytes = this.#parts.output.bytesWritten - this.#writtenBefore
    this.#planned?.conduct.times.of(undefined).note(this.#longestMs, bytes, atMs, isAlone)
    scatterEnded(this.#error === undefined ? this.#worker : undefined, this.#beganAtMs, atMs)
  }

  /** Why the statement was cancelled, rather than that it was. */
  #shown(error: RouterError | undefined): RouterError | undefined {
    if (error?.sqlState !== SqlState.queryCanceled) return error
    const { aborted, reason } = this.#parts.signal()
    return aborted ? (reason as RouterError) : error
  }

  #writeHead(): void {
    if (this.#hasAnswered) return
    this.#hasAnswered = true
    const { frames } = this.#parts.output
    if (this.#read === undefined) writeBindComplete(frames)
    const fields = this.#statement?.description?.fields
    if (this.#describes && fields !== undefined) {
      writeRowDescription(frames, withFormats(fields, this.#resultFormats))
    }
  }

  // -- request --------------------------------------------------------------------------------------------------

  #scatterOf({ plan, isOwn }: PlannedStatement): ScatterSelect | undefined {
    if (plan.kind !== 'select' || !isOwn || !plan.routed.isReadOnly) return undefined
    const { transaction } = this.#parts
    if (!transaction.isFree || transaction.consistency.isWanted) return undefined
    const scatter = knownMultiPlan(plan)
    const isFit =
      scatter?.kind === 'scatter' &&
      scatter.combine === undefined &&
      scatter.rowLimit === undefined &&
      !(scatter.locksRows || scatter.usesTransactionTime) &&
      scatter.pins.every(({ values }) => values === undefined) &&
      isUnitable(scatter.worker) &&
      isQuickScatter(scatter.worker, QUICK_MS)
    return isFit ? scatter : undefined
  }

  /** One connection for each node; false: they can't all be had at once. */
  #connect(nodes: readonly NodeShards[], { conduct }: PlannedStatement, atMs: number): boolean {
    const { lanes, transaction } = this.#parts
    const isShared = conduct.times.of(undefined).isFast(atMs)
    const taken: Lane[] = []
    while (this.#answers.length < nodes.length) this.#answers.push(new FanOutAnswer(this))
    this.#answers.length = nodes.length
    for (const [index, { nodeId }] of nodes.entries()) {
      const lane = isShared ? lanes.take(nodeId, turnBeganMs(atMs), OVERDUE_MS) : undefined
      const connection = lane?.connection ?? this.#own(nodeId)
      if (connection?.state !== 'ready') {
        for (const answer of this.#answers) answer.isDone = true
        transaction.endStatement(false)
        return false
      }
      this.#answers[index]?.reset(connection, lane)
      if (lane !== undefined) taken.push(lane)
    }
    this.#lanes = taken
    return true
  }

  #own(nodeId: number): BackendConnection | undefined {
    try {
      return this.#parts.transaction.connectionNow(nodeId, 'read')
    } catch {
      // said again, properly, on the ordinary way
      return undefined
    }
  }

  #begin(bytes: number, atMs: number): void {
    const { clock, counters, output, servers, statistics } = this.#parts
    clock.start(atMs)
    if (this.#planned !== undefined) statistics.begins(this.#planned.text)
    if (this.#read === undefined) counters.binds++
    counters.serverAssignments += this.#lanes.length
    servers.lanes = this.#lanes
    this.#pending = this.#answers.length
    this.#rowCount = 0
    this.#beganAtMs = scatterBegan(atMs)
    this.#longestMs = 0
    this.#writtenBefore = output.bytesWritten
    this.#bytes = bytes
    this.#hasAnswered = false
    this.#error = undefined
    for (const lane of this.#lanes) lane.enter(bytes, atMs)
  }

  #send(
    answer: FanOutAnswer,
    { worker, table }: ScatterSelect,
    types: readonly number[],
    shards: NodeShards['shards'],
    chunk: Buffer,
    group: BindGroup,
  ): void {
    const { connection } = answer
    if (connection === undefined) return
    const { out, prepared } = connection
    const keeping = this.#read === undefined ? 'named' : 'repeated'
    const kept = keptStatement(worker, table, types, connection.settings.inForce, keeping)
    const { key, text } = unitedStatement(kept, worker, shards)
    answer.key = key
    let name = prepared.find(key)
    if (name === undefined) {
      name = prepared.add(out, key, text, types).name
      answer.isNew = true
      this.#parts.counters.serverParses++
    }
    connection.open(answer)
    const mark = out.begin(Frontend.bind)
    out.byte(0)
    out.cstring(name)
    out.bytes(chunk, group.valuesStart, group.bindEnd)
    out.end(mark)
    // what others have prepared may be of other columns by now
    if (answer.isNew) out.bytes(DESCRIBE, 0, DESCRIBE.length)
    out.bytes(EXECUTE_ALL, 0, EXECUTE_ALL.length)
    out.bytes(SYNC, 0, SYNC.length)
    connection.flush()
  }
}

function holdBack(connection: BackendConnection | undefined, output: SessionParts['output']): void {
  connection?.pause()
  output.whenDrained(() => connection?.resume())
}
