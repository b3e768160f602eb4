import type { BackendConnection } from '../../backend/backend-connection.ts'
import { turnBeganMs } from '../../backend/flush-turn.ts'
import { type Lane, OVERDUE_MS, STUCK_MS } from '../../backend/lane.ts'
import type { ServiceTime } from '../../backend/service-time.ts'
import { nowMs } from '../../base/clock.ts'
import { asRouterError, type RouterError } from '../../base/errors.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { StatementKeys } from '../../executor/execution-keys.ts'
import { missesShard } from '../../executor/relay/error-rewriting.ts'
import { isUserType } from '../../executor/relay/row-description-mapping.ts'
import type { SessionCommand } from '../../planner/plan.ts'
import { LexResult } from '../../sql/lexer.ts'
import { Backend, Frontend, TransactionStatus } from '../../wire/message-codes.ts'
import type { PreparedStatement } from '../extended/prepared-statements.ts'
import type { MessageProcessor } from '../message-processor.ts'
import type { SessionParts } from '../session-parts.ts'
import type { PlannedStatement } from '../statement-planner.ts'
import { NO_PARAMETERS } from '../statement-runner.ts'
import { BindGroup } from './bind-group.ts'
import { BlockCommands, type CommandMessage } from './block-commands.ts'
import { writeExtendedLead } from './block-lead.ts'
import { ExtendedRequest } from './extended-request.ts'
import { FanOut } from './fan-out.ts'
import { KeptMessages } from './kept-messages.ts'
import { ParkedMessage, type ParkedMessageOwner } from './parked-message.ts'
import { messageEnd, ParseMessage } from './parse-message.ts'
import { QueryRequest, writeText } from './query-request.ts'
import type { ScatterRead } from './scatter-read.ts'
import { StatementAim } from './statement-aim.ts'
import type { StatementConduct } from './statement-conduct.ts'
import { usesUserTypes } from './user-type-values.ts'

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
const parse = new ParseMessage()

/**
 * The way of a statement whose shape is known, straight from the client's read buffer into a server connection's `out`: nothing
 * is awaited, copied aside or allocated. Whatever is unusual is left to MessageProcessor. One statement at a time.
 *
 *   read buffer -> shape cache -> aim -> lane or own connection     answer -> RelaySink -> ClientOutput, one write
 *                                  |          ^
 *                                  +-> parked +  while no connection is free
 */
export class FastPath implements ParkedMessageOwner {
  readonly #parts: SessionParts
  readonly #processor: MessageProcessor
  readonly #owner: FastPathOwner
  readonly #onDone = (error: RouterError | undefined): void => this.#done(error)
  readonly #request: ExtendedRequest
  readonly #block: BlockCommands
  readonly #parked: ParkedMessage
  /** These three are made when first needed: most sessions sit idle. */
  #fanOut: FanOut | undefined
  #kept: KeptMessages | undefined
  #asked: QueryRequest | undefined
  /** Of the statement under way. */
  #retried: ExtendedRequest | QueryRequest | undefined
  /** The unnamed statement, if its Parse went along. */
  #parsed: PreparedStatement | undefined
  #describes = false
  #lane: Lane | undefined
  #time: ServiceTime | undefined
  #bytes = 0
  #beganAtMs = 0
  #writtenBefore = 0
  #isRouted = false
  /** By which it was sent where it was. */
  #catalog: Catalog | undefined
  #isUnderWay = false
  /** All connections to the node are in use. */
  #isBusy = false
  /** What is being read is a message that has waited: it holds its connection. */
  #isUnparking = false

  constructor(parts: SessionParts, processor: MessageProcessor, owner: FastPathOwner) {
    this.#parts = parts
    this.#processor = processor
    this.#owner = owner
    this.#request = new ExtendedRequest(parts, aim)
    this.#block = new BlockCommands(parts, processor, (fault) => owner.fastEnded(fault))
    this.#parked = new ParkedMessage(parts.transaction, this)
    parts.relay.mayPassReady = (status) => processor.isQuiet(status)
  }

  /** Of what was taken last: fastEnded() will follow. false: it has been answered already. */
  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** One after the other what stands at the beginning of [0, length), until one is under way. Returns where the rest begins. */
  takes(chunk: Buffer, length: number): number {
    let at = 0
    this.#isUnderWay = false
    while (!this.#isUnderWay && at < length) {
      const end = this.#takesOne(chunk, at, length)
      if (end === at) {
        this.#isUnderWay = false
        break
      }
      at = end
    }
    return at
  }

  /**
   * What begins at `start`: a Query, or all up to Sync, if it is whole. Returns where it ends; `start`: it is for
   * MessageProcessor, nothing was done.
   */
  #takesOne(chunk: Buffer, start: number, chunkEnd: number): number {
    const type = chunk[start] ?? 0
    if (type !== Frontend.query && type !== Frontend.bind && type !== Frontend.parse) return start
    const end = messageEnd(type, chunk, start, chunkEnd)
    if (end === 0 || !this.#isReady() || this.#parts.output.isCongested) return start
    this.#isUnderWay = true
    if (type === Frontend.query) return this.#query(chunk, start, end) ? end : start
    return this.#group(chunk, start, end, chunkEnd)
  }

  /** Messages up to Sync, of which the first ends at `end`. */
  #group(chunk: Buffer, start: number, end: number, chunkEnd: number): number {
    const isBind = chunk[start] === Frontend.bind
    const bindEnd = isBind ? end : messageEnd(Frontend.bind, chunk, end, chunkEnd)
    if (bindEnd === 0 || !group.read(chunk, isBind ? start : end, bindEnd, chunkEnd)) return start
    // while this statement is carried out, others may read groups of theirs
    const groupEnd = group.end
    if (groupEnd - start > MAX_MESSAGE_BYTES) return start
    const isTaken = isBind ? this.#bind(chunk, start) : this.#parse(chunk, start, end)
    return isTaken ? groupEnd : start
  }

  /** Parse of the unnamed statement and all that runs it, as most drivers send what isn't prepared. */
  #parse(chunk: Buffer, start: number, end: number): boolean {
    if (group.nameStart !== group.nameEnd || !parse.read(chunk, start, end)) return false
    if (this.#parts.catalogs.current().userTypes !== undefined) {
      const isMapped = group.isBinary(chunk) || parse.types(chunk).some(isUserType)
      if (!group.describes || isMapped) return false
    }
    const cached = this.#processor.lookup(chunk, parse.textStart, parse.textEnd, literals)
    if (cached === undefined || !cached.conduct.isPlain) return false
    const { conduct } = cached
    keys.resetBound(chunk, literals, parse.types(chunk), chunk, group)
    if (!this.#resolve(conduct)) return false
    const statement = this.#processor.unnamed(parse, chunk)
    if (statement === undefined) return false
    if (!this.#begin(conduct, group.end - start)) {
      return this.#parks(chunk, start, group.end)
    }
    this.#parts.counters.binds++
    this.#parsed = statement
    this.#describes = group.describes
    const { sink } = this.#parts.relay
    sink.isExtended = true
    sink.isPlain = true
    this.#lead()
    this.#writeParse(chunk)
    if (this.#isRouted) this.#keep(chunk, start, group.end)
    this.#parts.relay.finish(this.#onDone)
    return true
  }

  #lead(): void {
    const { transaction, relay } = this.#parts
    if (relay.connection === undefined) return
    const begin = transaction.takeLead(relay.connection)
    if (begin !== '') writeExtendedLead(relay.connection, relay.sink, begin)
  }

  #writeParse(chunk: Buffer): void {
    const { connection, sink } = this.#parts.relay
    if (connection === undefined) return
    const { out } = connection
    const mark = out.begin(Frontend.parse)
    out.byte(0)
    writeText(out, chunk, parse.textStart, parse.textEnd, literals, aim, sink.positions)
    out.byte(0)
    out.bytes(chunk, parse.typesStart, parse.end)
    out.end(mark)
    out.bytes(chunk, parse.end, group.end)
  }

  #bind(chunk: Buffer, start: number): boolean {
    const { prepared } = this.#parts
    const length = group.end - start
    const { nameStart, nameEnd } = group
    const statement = nameStart === nameEnd ? undefined : prepared.findIn(chunk, nameStart, nameEnd)
    const planned = statement?.planned
    if (statement === undefined || planned === undefined) return false
    const { conduct } = planned
    if (conduct.command !== undefined) {
      if (group.valueCount > 0) return false
      const { text } = planned
      const protocol = group.describes ? 'extended with Describe' : 'extended'
      const message = { chunk: text, start: 0, end: text.length, protocol } as const
      return this.#takesCommand(conduct.command, message)
    }
    const isSame =
      statement.description?.parameterTypes.length === group.valueCount &&
      planned.views.length === 0 &&
      !usesUserTypes(planned.catalog, statement)
    if (!isSame || !conduct.isPlain || !this.#processor.isCurrent(planned)) return false
    if (statement.namesMoment || statement.isOutdated) return false
    keys.resetBound(planned.text, planned.literals, statement.types, chunk, group)
    if (!this.#resolve(conduct)) return this.#fansOut(chunk, start, statement, planned)
    if (!this.#begin(conduct, length)) {
      return this.#parks(chunk, start, group.end)
    }
    this.#parts.counters.binds++
    this.#lead()
    this.#request.write(chunk, statement, planned, group)
    this.#keep(chunk, start, group.end)
    this.#retried = this.#request
    this.#parts.relay.finish(this.#onDone)
    return true
  }

  /** Not to one node. */
  #fansOut(
    chunk: Buffer,
    start: number,
    statement: PreparedStatement,
    planned: PlannedStatement,
  ): boolean {
    if (!planned.conduct.fansOut) return false
    if (!this.#toAll.takes(chunk, start, statement, planned, group)) return false
    this.#keep(chunk, start, group.end)
    this.#catalog = planned.catalog
    return true
  }

  /** A Query to several nodes, as its shape is prepared. */
  #scatters(chunk: Buffer, start: number, end: number, read: ScatterRead): boolean {
    const { statement } = read
    const planned = statement?.planned
    if (statement === undefined || planned === undefined) return false
    if (!this.#processor.isCurrent(planned) || usesUserTypes(planned.catalog, statement))
      return false
    const run = read.run(chunk, literals, group)
    if (run === undefined) return false
    if (!this.#toAll.takes(run, 0, statement, planned, group, read)) return false
    this.#keep(chunk, start, end)
    this.#catalog = planned.catalog
    return true
  }

  get #toAll(): FanOut {
    this.#fanOut ??= new FanOut(this.#parts, (error, again) => {
      if (again) this.#owner.fastEnded(undefined, this.#kept?.messages)
      else if (missesShard(error)) this.#recover(error, 0, this.#fanOut?.hasAnswered === true)
      else this.#answer(error)
    })
    return this.#fanOut
  }

  #query(chunk: Buffer, start: number, end: number): boolean {
    const textEnd = end - 1
    if (end - start > MAX_MESSAGE_BYTES || chunk[textEnd] !== 0) return false
    const cached = this.#processor.lookup(chunk, start + 5, textEnd, literals)
    if (cached === undefined) return false
    const { conduct } = cached
    if (conduct.command !== undefined) {
      const message = { chunk, start: start + 5, end: textEnd, protocol: 'simple' } as const
      return this.#takesCommand(conduct.command, message)
    }
    if (!conduct.isPlain) return false
    if (conduct.scatterRead !== undefined) {
      return this.#scatters(chunk, start, end, conduct.scatterRead)
    }
    keys.reset(chunk, literals, NO_PARAMETERS)
    if (!this.#resolve(conduct)) return false
    if (!this.#begin(conduct, end - start)) {
      return this.#parks(chunk, start, end)
    }
    this.#asked ??= new QueryRequest(this.#parts, aim, literals)
    this.#asked.write(chunk, start, end, conduct)
    this.#retried = this.#asked
    if (this.#isRouted || this.#asked.isPointRead) this.#keep(chunk, start, end)
    this.#parts.relay.finish(this.#onDone)
    return true
  }

  /** A copy, should they have to be carried out again. */
  #keep(chunk: Buffer, start: number, end: number): void {
    this.#kept ??= new KeptMessages()
    this.#kept.keep(chunk, start, end)
  }

  /** Cancels what is under way on a lane or waits for a connection; false: nothing does. */
  cancel(reason: RouterError): boolean {
    if (this.#parked.isParked) return this.#parked.cancel(reason)
    if (this.#fanOut?.isUnderWay === true) {
      this.#fanOut.cancel()
      return true
    }
    if (this.#lane === undefined) return false
    this.#lane.cancel(this.#parts.relay.sink)
    return true
  }

  #takesCommand(command: SessionCommand, message: CommandMessage): boolean {
    const outcome = this.#block.takes(command, message)
    this.#isUnderWay = outcome === 'under way'
    return outcome !== 'passed'
  }

  // -- waiting --------------------------------------------------------------------------------------------------

  /** Until a connection is free; whatever else is amiss is found out on the ordinary way. */
  #parks(chunk: Buffer, start: number, end: number): boolean {
    if (this.#isUnparking || !this.#isBusy) return false
    this.#parts.clock.start()
    return this.#parked.park(chunk, start, end, aim.nodeId, aim.access)
  }

  unparked(message: Buffer): void {
    this.#isUnparking = true
    const isSent = this.#sends(message)
    this.#isUnparking = false
    if (isSent) return
    this.#parts.transaction.endStatement(false)
    queueMicrotask(() => this.#owner.fastEnded(undefined, message))
  }

  refused(error: RouterError): void {
    queueMicrotask(() => this.#answer(error))
  }

  #sends(message: Buffer): boolean {
    if (this.#parts.catalogs.isStale) return false
    const { length } = message
    if (message[0] === Frontend.query) return this.#query(message, 0, length)
    return this.#group(message, 0, 1 + message.readInt32BE(1), length) > 0
  }

  /** In a block the unnamed portal outlives Sync. */
  #keepPortal(statement: PreparedStatement | undefined): void {
    const { transaction, relay } = this.#parts
    const connection = relay.sink.connection as BackendConnection | undefined
    if (!transaction.isInBlock || statement === undefined || connection === undefined) return
    this.#processor.portalDone(statement, connection)
  }

  #resolve(conduct: StatementConduct): boolean {
    try {
      if (!aim.resolve(conduct, this.#parts.catalogs.current(), keys)) return false
      const { statistics } = this.#parts
      return !statistics.isOn || statistics.beginsKnown(conduct, aim, keys)
    } catch {
      // said again, properly, on the ordinary way
      return false
    }
  }

  /** Opens a connection for one request. false: none is free. */
  #begin({ times, isSociable }: StatementConduct, bytes: number): boolean {
    const { transaction, relay, catalogs, output, clock } = this.#parts
    const time = times.of(aim.shardIndex)
    const atMs = nowMs()
    this.#isBusy = false
    const isShared = isSociable && transaction.isFree && time.isFast(atMs)
    const { lanes } = this.#parts
    const turnMs = turnBeganMs(atMs)
    let lane = isShared ? lanes.take(aim.nodeId, turnMs, OVERDUE_MS) : undefined
    const own = lane === undefined ? this.#own() : undefined
    // behind a late head it is better than in the pool's queue, where all that is slow waits too
    if (isShared && own === undefined) lane ??= lanes.take(aim.nodeId, turnMs, STUCK_MS)
    const connection = lane?.connection ?? own
    if (connection === undefined) return false
    this.#lane = lane
    this.#parts.servers.lane = lane
    this.#time = time
    this.#bytes = bytes
    this.#beganAtMs = atMs
    this.#writtenBefore = output.bytesWritten
    this.#isRouted = aim.shardIndex !== undefined
    this.#catalog = catalogs.current()
    if (!this.#isUnparking) clock.start(atMs)
    if (lane !== undefined) {
      lane.enter(bytes, atMs)
      output.counters.serverAssignments++
    }
    relay.begin(connection, catalogs.current())
    relay.sink.isShared = lane !== undefined
    return true
  }

  #own() {
    try {
      const connection = this.#parts.transaction.connectionNow(aim.nodeId, aim.access, true)
      this.#isBusy = connection === undefined
      return connection?.state === 'ready' ? connection : undefined
    } catch {
      return undefined
    }
  }

  #done(error: RouterError | undefined): void {
    const { output, clock, relay } = this.#parts
    const atMs = nowMs()
    const lane = this.#lane
    this.#lane = undefined
    this.#parts.servers.lane = undefined
    const durationMs =
      lane === undefined
        ? atMs - this.#beganAtMs
        : lane.leave(relay.sink, this.#bytes, this.#beganAtMs, atMs)
    const bytes = output.bytesWritten - this.#writtenBefore
    this.#time?.note(durationMs, bytes, atMs, lane === undefined)
    const request = this.#retried
    this.#retried = undefined
    if (error !== undefined && request?.isToRetry(error) === true) {
      this.#parts.transaction.endStatement(false)
      this.#owner.fastEnded(undefined, this.#kept?.messages)
      return
    }
    const parsed = this.#parsed
    this.#parsed = undefined
    if (error === undefined) {
      request?.succeeded()
      if (parsed !== undefined && this.#describes) parsed.told()
      this.#keepPortal(request?.statement ?? parsed)
      clock.done(this.#isRouted ? 'router' : 'local', 1, atMs)
    } else this.#failed(parsed)
    this.#tell(error, lane !== undefined)
  }

  #failed(parsed: PreparedStatement | undefined): void {
    const { sink } = this.#parts.relay
    // unless ParseComplete came, there is no such statement
    if (parsed !== undefined && sink.firstOfRun !== Backend.parseComplete) {
      this.#parts.prepared.delete('')
    }
    if (!sink.isExtended || !sink.isLeadDue) return
    // whether the connection has BEGIN prepared is not known
    const connection = sink.connection as BackendConnection | undefined
    connection?.close()
  }

  #tell(error: RouterError | undefined, wasShared: boolean): void {
    const { sink } = this.#parts.relay
    if (this.#isRouted && missesShard(error)) {
      this.#recover(error, sink.connection?.node.nodeId ?? 0, sink.hasAnswered)
    } else if (error === undefined && sink.hasPassedReady) this.#ended(wasShared)
    else this.#answer(error)
  }

  /** The statement has found no shard where it looked. `nodeId`: the only node that was asked. */
  #recover(error: RouterError, nodeId: number, isHeard: boolean): void {
    this.#parts.placements.recover(error, this.#catalog, nodeId, isHeard).then(
      () => this.#owner.fastEnded(undefined, this.#kept?.messages),
      (reason: unknown) => this.#answer(asRouterError(reason)),
    )
  }

  #ended(wasShared: boolean): void {
    if (wasShared) this.#processor.endedShared()
    else this.#processor.ended()
    this.#owner.fastEnded()
  }

  #answer(error: RouterError | undefined): void {
    try {
      this.#processor.answered(error)
      this.#parts.output.flush()
    } catch (error) {
      this.#owner.fastEnded({ error })
      return
    }
    this.#owner.fastEnded()
  }

  /** Statements of a session outside a transaction whose inbox is empty, or inside a block that hasn't failed. */
  #isReady(): boolean {
    const { transaction, catalogs } = this.#parts
    if (catalogs.isStale || !transaction.isProven || this.#processor.isSkipping) return false
    return transaction.status !== TransactionStatus.failed && !transaction.isImplicit
  }
}
