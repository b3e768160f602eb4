import type { BackendConnection } from '../backend/backend-connection.ts'
import { asRouterError, ProtocolError, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { LexResult } from '../sql/lexer.ts'
import { writeReadyForQuery } from '../wire/backend-messages.ts'
import { writeError } from '../wire/error-messages.ts'
import { readEmpty, readFunctionCall, readQuery } from '../wire/frontend-messages.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import { CursorPortals } from './extended/cursor-portals.ts'
import { ExtendedQuery } from './extended/extended-query.ts'
import { PortalForwarding } from './extended/portal-forwarding.ts'
import { PortalRunner } from './extended/portal-runner.ts'
import { Portals } from './extended/portals.ts'
import { PreparedCommands } from './extended/prepared-commands.ts'
import { PreparedStatement } from './extended/prepared-statements.ts'
import type { ParseMessage } from './fast/parse-message.ts'
import type { MessageInbox, QueuedMessage } from './message-inbox.ts'
import type { ParameterReports } from './parameter-reports.ts'
import { SessionCommands } from './session-commands.ts'
import type { SessionParts } from './session-parts.ts'
import { SimpleQuery } from './simple-query.ts'
import { checkNotFailed } from './statement-guards.ts'
import type { CachedPlan, PlannedStatement } from './statement-planner.ts'
import { StatementRunner } from './statement-runner.ts'

/** Without a Sync or Flush so many messages may gather before they are carried out. */
const MAX_GATHERED_MESSAGES = 1000
const MAX_GATHERED_BYTES = 512 * 1024

/** Extended-protocol messages that wait for company: what follows tells how they are best carried out. */
const GATHERED: ReadonlySet<number> = new Set([
  Frontend.parse,
  Frontend.bind,
  Frontend.describe,
  Frontend.execute,
  Frontend.close,
])

/** Carries out a client's messages, each with its answer, its error and its ReadyForQuery. */
export class MessageProcessor {
  readonly #parts: SessionParts
  readonly #inbox: MessageInbox
  readonly #reports: ParameterReports
  readonly #runner: StatementRunner
  readonly #simple: SimpleQuery
  readonly #extended: ExtendedQuery
  /** After an error in the extended protocol: everything up to Sync is dropped. */
  #isSkipping = false

  constructor(parts: SessionParts, inbox: MessageInbox, reports: ParameterReports) {
    this.#reports = reports
    this.#parts = parts
    this.#inbox = inbox
    const commands = new SessionCommands(parts)
    this.#runner = new StatementRunner(parts, commands)
    const forwarding = new PortalForwarding(parts, this.#runner)
    const prepared = new PreparedCommands(parts, this.#runner, forwarding, commands)
    commands.connect(prepared)
    this.#simple = new SimpleQuery(parts, this.#runner)
    const portals = new Portals()
    this.#extended = new ExtendedQuery(
      parts,
      this.#runner,
      inbox,
      portals,
      new CursorPortals(parts, this.#runner, portals),
      prepared,
      forwarding,
      new PortalRunner(parts, this.#runner, commands, prepared),
    )
  }

  /** Messages up to Sync are being dropped. */
  get isSkipping(): boolean {
    return this.#isSkipping
  }

  /** The plan for a text that is still in the client's read buffer. */
  lookup(text: Buffer, start: number, end: number, into: LexResult): CachedPlan | undefined {
    return this.#runner.lookup(text, start, end, into)
  }

  /** false: the metadata or the search path have changed since it was planned. */
  isCurrent(planned: PlannedStatement): boolean {
    return this.#runner.isCurrent(planned)
  }

  /** The client's Parse of the unnamed statement, whose plan is in the cache. */
  unnamed(parse: ParseMessage, chunk: Buffer): PreparedStatement | undefined {
    const { prepared } = this.#parts
    const last = prepared.find('')
    if (last !== undefined && parse.isOf(last.text, last.types, chunk)) {
      last.description = undefined
      last.isDescribed = false
      return last
    }
    const text = Buffer.from(chunk.subarray(parse.textStart, parse.textEnd))
    const planned = this.#runner.planFromCache(text)
    if (planned === undefined) return undefined
    const types = parse.types(chunk)
    const made = new PreparedStatement('', text, types, planned)
    prepared.set(made)
    return made
  }

  /** The unnamed portal has been run on this connection. */
  portalDone(statement: PreparedStatement, connection: BackendConnection): void {
    this.#extended.portalDone(statement, connection)
  }

  /** The end of a Query, or of messages up to Sync, that were carried out elsewhere. Errors that it throws are fatal. */
  answered(error: RouterError | undefined): void {
    if (error !== undefined) this.#answerError(error)
    this.#ready()
  }

  /** Nothing is to be said before this ReadyForQuery of a server's. */
  isQuiet(status: number): boolean {
    const { transaction, channels } = this.#parts
    return status === transaction.status && channels.isQuiet && this.#reports.isQuiet(status)
  }

  /** As answered(), when all is said already. */
  ended(): void {
    const { transaction, clock } = this.#parts
    transaction.endStatement(false)
    clock.ready(transaction.status)
    if (!transaction.isInBlock) this.#extended.transactionEnded()
  }

  /** As ended(), of a statement that was sent by a lane: it has left nothing behind, in no block. */
  endedShared(): void {
    this.#parts.clock.ready(TransactionStatus.idle)
  }

  /** false: settle() before answered(). */
  get isSettled(): boolean {
    return this.#runner.isFresh
  }

  /** At the end of a transaction: what it changed is known from now on. */
  settle(): Promise<void> {
    return this.#runner.refreshIfNeeded()
  }

  /** false: the messages at the head wait for those that follow. */
  isDue(): boolean {
    const inbox = this.#inbox
    if (inbox.length > MAX_GATHERED_MESSAGES || inbox.byteLength > MAX_GATHERED_BYTES) return true
    for (let index = 0; ; index++) {
      const message = inbox.peek(index)
      if (message === undefined) return false
      if (!GATHERED.has(message.type)) return true
    }
  }

  /** Takes the next message, and those that belong to it, from the inbox. Errors that it throws are fatal. */
  async next(): Promise<void> {
    const message = this.#inbox.shift()
    if (message === undefined) return
    if (this.#isSkipping && message.type !== Frontend.sync) return
    this.#parts.clock.start()
    switch (message.type) {
      case Frontend.query:
        return this.#withReady(() => this.#query(readQuery(message.frame).text))
      case Frontend.functionCall:
        return this.#withReady(() => this.#functionCall(message))
      case Frontend.sync:
        readEmpty(message.frame)
        return this.#sync()
      case Frontend.copyData:
      case Frontend.copyDone:
      case Frontend.copyFail:
        // of a COPY that has failed
        return
      default:
        return this.#step(message)
    }
  }

  #query(text: Buffer): Promise<void> {
    return this.#parts.placements.run(() => this.#simple.run(text))
  }

  async #withReady(work: () => Promise<void>): Promise<void> {
    try {
      if (!this.#runner.isFresh) await this.#runner.freshen()
      await work()
    } catch (error) {
      await this.#fail(error)
    }
    this.#ready()
  }

  async #step({ type, frame }: QueuedMessage): Promise<void> {
    try {
      if (!this.#runner.isFresh) await this.#runner.freshen()
      await this.#extended.step(type, frame)
    } catch (error) {
      this.#isSkipping = true
      this.#extended.reset()
      this.#answerError(error)
    }
  }

  async #sync(): Promise<void> {
    const { transaction } = this.#parts
    this.#isSkipping = false
    try {
      if (transaction.isImplicit) await transaction.commit()
      await this.#runner.refreshIfNeeded()
    } catch (error) {
      await this.#fail(error)
    }
    this.#ready()
  }

  #ready(): void {
    const { transaction, output, channels } = this.#parts
    this.ended()
    if (!transaction.isInBlock) channels.deliver()
    this.#reports.tell(transaction.status)
    writeReadyForQuery(output.frames, transaction.status)
  }

  /** An error of a message that ReadyForQuery follows: an implicit transaction ends with it. */
  async #fail(error: unknown): Promise<void> {
    this.#answerError(error)
    const { transaction } = this.#parts
    if (transaction.isImplicit) await transaction.rollback()
  }

  #answerError(error: unknown): void {
    const { transaction, output, log, clock } = this.#parts
    const shown = transaction.trueError(this.#reasonOf(asRouterError(error)))
    if (!(error instanceof Error) || asRouterError(error) !== error) {
      log.error('internal error', { error })
    }
    if (shown.severity !== 'ERROR' || isFatal(error)) throw shown
    clock.failed(shown.sqlState)
    transaction.endStatement(true)
    writeError(output.frames, shown)
  }

  /** Why a statement was cancelled, rather than that it was. */
  #reasonOf(error: RouterError): RouterError {
    if (error.sqlState !== SqlState.queryCanceled) return error
    const reason: unknown = this.#parts.signal().reason
    return reason instanceof RouterError ? reason : error
  }

  /** The fast path of libpq: the function is the coordinator's. */
  async #functionCall({ frame }: QueuedMessage): Promise<void> {
    const { transaction, catalogs, clock } = this.#parts
    const { functionOid } = readFunctionCall(frame)
    checkNotFailed(transaction.status, undefined)
    const catalog = catalogs.current()
    const connection = await this.#runner.connectionTo({
      nodeId: coordinatorOf(catalog).nodeId,
      access: 'write',
      runsCode: !LARGE_OBJECT_FUNCTIONS.has(functionOid),
      shardIndex: undefined,
    })
    await this.#runner.relay(connection, { catalog }, (out) => out.bytes(frame))
    clock.done('local')
  }
}

/** Of pg_proc.dat, those that libpq calls: they leave nothing behind. */
const LARGE_OBJECT_FUNCTIONS: ReadonlySet<number> = new Set([
  715, 764, 767, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172, 3457, 3458, 3459,
  3460,
])

function isFatal(error: unknown): error is RouterError {
  return error instanceof ProtocolError && error.severity === 'FATAL'
}
