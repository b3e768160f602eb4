import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { Answer } from '../../executor/relay/answer-script.ts'
import { isResultTypeChange } from '../../executor/stale-statement.ts'
import { Frontend, TransactionStatus } from '../../wire/message-codes.ts'
import type { PreparedStatement } from '../extended/prepared-statements.ts'
import type { SessionParts } from '../session-parts.ts'
import type { PlannedStatement } from '../statement-planner.ts'
import type { BindGroup } from './bind-group.ts'
import type { StatementAim } from './statement-aim.ts'

/** One BindGroup on its way: written for a server that may not have the statement yet. */
export class ExtendedRequest {
  readonly #parts: SessionParts
  readonly #aim: StatementAim
  #statement: PreparedStatement | undefined
  #describes = false
  #key = ''
  /** Answers up to ParseComplete; 0: the statement was there. */
  #preparing = 0

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
    sink.isPlain = this.#preparing === 0
    // Describe, Execute and Sync are the client's own
    out.bytes(chunk, group.bindEnd, group.end)
  }

  /** After an error: whether it is one of our own making, and nothing was answered yet. Forgets what failed. */
  isToRetry(error: RouterError): boolean {
    const { sink } = this.#parts.relay
    const connection = sink.connection as BackendConnection | undefined
    const isStale = isResultTypeChange(error)
    // somebody's Parse before us may have failed
    const isMissing = error.sqlState === SqlState.invalidSqlStatementName && this.#preparing === 0
    const isUnprepared = this.#preparing > 0 && sink.script.consumed < this.#preparing
    if (isStale && !this.#describes && this.#statement?.isDescribed === true) {
      this.#statement.isOutdated = true
    }
    if (isStale || isMissing || isUnprepared) connection?.prepared.forget(this.#key)
    if (sink.isLed || sink.hasAnswered || sink.status !== TransactionStatus.idle) return false
    if (isStale) return this.#describes || this.#statement?.isDescribed !== true
    return isMissing
  }

  get statement(): PreparedStatement | undefined {
    return this.#statement
  }

  /** Called when all went well. */
  succeeded(): void {
    if (this.#describes) this.#statement?.told()
  }

  #prepare(
    connection: BackendConnection,
    statement: PreparedStatement,
    planned: PlannedStatement,
  ): string {
    const texts = statement.serverTexts(planned)
    const { text, key, positions } = texts.get(this.#aim, connection.settings.inForce)
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
}
