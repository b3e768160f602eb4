import type { BackendConnection } from '../backend/backend-connection.ts'
import { preparedKey } from '../backend/prepared-cache.ts'
import type { Settings } from '../backend/session-state.ts'
import type { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { Answer } from '../executor/answer-script.ts'
import type { Parameters } from '../executor/ports.ts'
import { PositionMap } from '../executor/position-map.ts'
import { writeSpliced } from '../executor/splice-writer.ts'
import { isResultTypeChange } from '../executor/stale-statement.ts'
import type { Plan } from '../planner/plan.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { readBind, writeDescribe, writeExecute, writeSync } from '../wire/frontend-messages.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import type { BindGroup } from './bind-group.ts'
import type { PreparedStatement } from './prepared-statements.ts'
import type { SessionParts } from './session-parts.ts'
import type { StatementAim } from './statement-aim.ts'
import type { PlannedStatement } from './statement-planner.ts'
import { NO_PARAMETERS } from './statement-runner.ts'

/** Kept from one request to the next, unless it has grown beyond. */
const KEPT_BYTES = 1024
const UNNAMED_PORTAL = { kind: 'portal', name: '' } as const
const ALL_ROWS = { portal: '', maxRows: 0 } as const

/** The text and key of a statement on one shard: the same for all its runs under the same settings. */
type ServerText = {
  readonly planned: PlannedStatement
  readonly settings: Settings
  readonly key: string
  readonly text: Buffer
  /** From the text to the client's. */
  readonly positions: PositionMap
}

const scratch = new FrameWriter()

const serverTexts = new WeakMap<PreparedStatement, Map<number | undefined, ServerText>>()

/** One BindGroup on its way: written for a server that may not have the statement yet, kept should it be tried again. */
export class ExtendedRequest {
  readonly #parts: SessionParts
  readonly #aim: StatementAim
  #statement: PreparedStatement | undefined
  #describes = false
  #key = ''
  /** Answers up to ParseComplete; 0: the statement was there. */
  #preparing = 0
  #kept: Buffer | undefined
  #keptLength = 0

  constructor(parts: SessionParts, aim: StatementAim) {
    this.#parts = parts
    this.#aim = aim
  }

  /** The relay has begun. */
  write(
    chunk: Buffer,
    statement: PreparedStatement,
    planned: PlannedStatement,
    group: BindGroup,
  ): void {
    const { connection, sink } = this.#parts.relay
    if (connection === undefined) return
    sink.isExtended = true
    this.#statement = statement
    this.#describes = group.describes
    const name = this.#prepare(connection, statement, planned)
    const { out } = connection
    const mark = out.begin(Frontend.bind)
    out.byte(0)
    out.cstring(name)
    out.bytes(chunk, group.valuesStart, group.bindEnd)
    out.end(mark)
    if (group.describes) writeDescribe(out, UNNAMED_PORTAL)
    writeExecute(out, ALL_ROWS)
    writeSync(out)
  }

  /** Copies the client's messages [start, end). */
  keep(chunk: Buffer, start: number, end: number): void {
    const length = end - start
    const isFit = this.#kept !== undefined && this.#kept.length >= length
    if (!isFit || (this.#kept?.length ?? 0) > KEPT_BYTES) {
      this.#kept = Buffer.allocUnsafe(Math.max(length, 128))
    }
    if (this.#kept !== undefined) chunk.copy(this.#kept, 0, start, end)
    this.#keptLength = length
  }

  get messages(): Buffer {
    return Buffer.from(this.#kept?.subarray(0, this.#keptLength) ?? [])
  }

  /** After an error: whether it is one of our own making, and nothing was answered yet. Forgets what failed. */
  isToRetry(error: RouterError): boolean {
    const { sink } = this.#parts.relay
    const connection = sink.connection as BackendConnection | undefined
    const isStale = isResultTypeChange(error)
    // somebody's Parse before us may have failed
    const isMissing = error.sqlState === SqlState.invalidSqlStatementName && this.#preparing === 0
    const isUnprepared = this.#preparing > 0 && sink.script.consumed < this.#preparing
    if (isStale || isMissing || isUnprepared) connection?.prepared.forget(this.#key)
    if (sink.hasAnswered || sink.status !== TransactionStatus.idle) return false
    if (isStale) return this.#describes || this.#statement?.isDescribed !== true
    return isMissing
  }

  get statement(): PreparedStatement | undefined {
    return this.#statement
  }

  /** Called when all went well. */
  succeeded(): void {
    if (this.#describes && this.#statement !== undefined) this.#statement.isDescribed = true
  }

  #prepare(
    connection: BackendConnection,
    statement: PreparedStatement,
    planned: PlannedStatement,
  ): string {
    const { text, key, positions } = this.#serverText(connection, statement, planned)
    this.#parts.relay.sink.positions.borrow(positions)
    this.#key = key
    this.#preparing = 0
    const known = connection.prepared.find(key)
    if (known !== undefined) return known
    const added = connection.prepared.add(connection.out, key, text, statement.types)
    const { script } = this.#parts.relay.sink
    for (let index = 0; index <= added.closes; index++) script.add(Answer.swallow)
    this.#preparing = added.closes + 1
    this.#parts.counters.serverParses++
    return added.name
  }

  #serverText(
    connection: BackendConnection,
    statement: PreparedStatement,
    planned: PlannedStatement,
  ): ServerText {
    const settings = connection.settings.inForce
    const { shardIndex, splices } = this.#aim
    let texts = serverTexts.get(statement)
    if (texts === undefined) {
      texts = new Map()
      serverTexts.set(statement, texts)
    }
    const known = texts.get(shardIndex)
    if (known?.settings === settings && known.planned === planned) return known
    const positions = new PositionMap()
    scratch.reset()
    if (shardIndex === undefined) {
      positions.refer(planned.text)
      scratch.bytes(planned.text)
    } else {
      const { text, literals } = planned
      writeSpliced(scratch, text, 0, text.length, literals, splices, shardIndex, positions)
      positions.share(text)
    }
    const text = Buffer.from(scratch.buffer.subarray(0, scratch.length))
    const key = preparedKey(text, statement.types, settings)
    const made = { planned, settings, text, key, positions }
    texts.set(shardIndex, made)
    return made
  }
}

/** What routing may need. Aliases the chunk. */
export function parametersOf(
  plan: Plan,
  types: readonly number[],
  chunk: Buffer,
  start: number,
  end: number,
): Parameters {
  if (plan.kind === 'local') return NO_PARAMETERS
  const { formats, values } = readBind(chunk.subarray(start, end))
  return { types, formats, values }
}
