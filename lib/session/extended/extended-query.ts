import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { refusedOrWrong } from '../../executor/relay/error-place.ts'
import { holdsForeignOids } from '../../executor/relay/row-description-mapping.ts'
import { isResultTypeChange } from '../../executor/stale-statement.ts'
import { withFormats } from '../../executor/statement-description.ts'
import { refusalError } from '../../planner/refusals.ts'
import {
  writeBindComplete,
  writeCloseComplete,
  writeNoData,
  writeParseComplete,
} from '../../wire/backend-messages.ts'
import {
  type Bind,
  readBind,
  readClose,
  readDescribe,
  readEmpty,
  readExecute,
  readParse,
} from '../../wire/frontend-messages.ts'
import { Frontend, TransactionStatus } from '../../wire/message-codes.ts'
import { writeParameterDescription, writeRowDescription } from '../../wire/row-description.ts'
import type { MessageInbox } from '../message-inbox.ts'
import { overtaken } from '../session-catalog.ts'
import type { SessionParts } from '../session-parts.ts'
import { checkNotFailed } from '../statement-guards.ts'
import type { StatementRunner, Target } from '../statement-runner.ts'
import type { CursorPortals } from './cursor-portals.ts'
import type { PortalForwarding } from './portal-forwarding.ts'
import type { PortalRunner } from './portal-runner.ts'
import type { Portal, Portals } from './portals.ts'
import type { PreparedCommands } from './prepared-commands.ts'
import { PreparedStatement } from './prepared-statements.ts'
import { renew } from './renewal.ts'

/** Statement kinds that may go to one server connection, so that Parse can travel with Bind. */
const FORWARDED: ReadonlySet<string> = new Set(['local', 'select', 'modify', 'insert-rows'])

/**
 * Parse, Bind, Describe, Execute, Close and Flush up to a Sync. A Parse whose Bind is already here travels with it;
 * Bind, Describe and Execute of one portal travel together. What isn't followed by Sync at once runs in an implicit
 * transaction, which Sync commits; so a portal can live on between messages.
 */
export class ExtendedQuery {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner
  readonly #inbox: MessageInbox
  readonly #portals: Portals
  readonly #cursors: CursorPortals
  readonly #prepared: PreparedCommands
  readonly #forwarding: PortalForwarding
  readonly #portalRunner: PortalRunner
  /** Its ParseComplete is still to be written; it goes along with the Bind that is next. */
  #unanswered: PreparedStatement | undefined
  #portalCount = 0

  constructor(
    parts: SessionParts,
    runner: StatementRunner,
    inbox: MessageInbox,
    portals: Portals,
    cursors: CursorPortals,
    prepared: PreparedCommands,
    forwarding: PortalForwarding,
    portalRunner: PortalRunner,
  ) {
    this.#parts = parts
    this.#runner = runner
    this.#inbox = inbox
    this.#portals = portals
    this.#cursors = cursors
    this.#prepared = prepared
    this.#forwarding = forwarding
    this.#portalRunner = portalRunner
  }

  /** One message, and those that travel with it: all are taken from the inbox. */
  async step(type: number, frame: Buffer): Promise<void> {
    switch (type) {
      case Frontend.parse:
        return this.#parse(frame)
      case Frontend.bind:
        return this.#bind(readBind(frame))
      case Frontend.describe:
        return this.#describe(frame)
      case Frontend.execute:
        return this.#execute(frame)
      case Frontend.close:
        return this.#close(frame)
      default:
        readEmpty(frame)
        this.#parts.output.flush()
    }
  }

  /** After an error: nothing of it is left. */
  reset(): void {
    const statement = this.#unanswered
    this.#unanswered = undefined
    if (statement !== undefined) this.#parts.prepared.delete(statement.name)
  }

  /** An unnamed portal that was bound and run elsewhere, on this connection. */
  portalDone(prepared: PreparedStatement, connection: BackendConnection): void {
    const bound = { formats: [], values: [], resultFormats: [] }
    const server = { connection, name: '' }
    this.#portals.set({ name: '', prepared, bound, server, held: undefined, isDone: true })
  }

  /** Portals end with their transaction. */
  transactionEnded(): void {
    this.#portals.clear()
  }

  async #parse(frame: Buffer): Promise<void> {
    const { prepared, transaction, output } = this.#parts
    const { name, text: aliased, parameterTypes } = readParse(frame)
    const text = Buffer.from(aliased)
    prepared.checkFree(name)
    if (name !== '') this.#parts.counters.clientParses++
    if (name === '') prepared.delete('')
    const planned = this.#runner.planFromCache(text) ?? this.#planParsed(text)
    checkNotFailed(transaction.status, planned?.plan)
    const plan = planned?.plan
    if (plan?.kind === 'refusal') {
      const wrong = { text, types: parameterTypes }
      throw await refusedOrWrong(plan, wrong, () => this.#runner.coordinator())
    }
    const statement = new PreparedStatement(name, text, parameterTypes, planned)
    prepared.set(statement)
    this.#unanswered = statement
    if (plan !== undefined && FORWARDED.has(plan.kind) && this.#isBoundNext(name)) return
    if (plan !== undefined && plan.kind !== 'session') await this.#prepared.describe(statement)
    writeParseComplete(output.frames)
    this.#unanswered = undefined
    if (transaction.status === TransactionStatus.idle) transaction.endStatement(false)
  }

  #planParsed(text: Buffer) {
    const parsed = this.#parts.planner.single(text, this.#parts.user)
    return parsed === undefined ? undefined : this.#runner.plan(parsed)
  }

  #isBoundNext(name: string): boolean {
    const next = this.#inbox.peek()
    return next?.type === Frontend.bind && readBind(next.frame).statement === name
  }

  async #bind(bind: Bind): Promise<void> {
    const { prepared, transaction, counters } = this.#parts
    const statement = prepared.get(bind.statement)
    counters.binds++
    this.#portals.checkFree(bind.portal)
    checkNotFailed(transaction.status, statement.planned?.plan)
    this.#parts.catalogs.checkNotOvertaken()
    await this.#renew(statement, bind.portal)
    const target = this.#targetOf(statement, bind)
    if (target === undefined) {
      await this.#bindHere(statement, bind)
      return
    }
    // the server would name its own statement in the error
    if (statement.description !== undefined) checkParameterCount(statement, bind)
    if (await this.#holdsForeignOids(statement, bind, target)) {
      await this.#bindHere(this.#ownPlanned(statement), bind)
      return
    }
    const describes = this.#takeDescribe(bind.portal)
    const maxRows = this.#takeExecute(bind.portal)
    await this.#parts.placements.run(async () => {
      this.#openImplicitUnlessLast()
      await renew(statement, this.#runner, this.#prepared, describes)
      const current = this.#targetOf(statement, bind)
      if (current === undefined) throw overtaken()
      await this.#forward(statement, bind, current, describes, maxRows)
    })
  }

  #ownPlanned(statement: PreparedStatement): PreparedStatement {
    const { planned } = statement
    if (planned?.isOwn === false) statement.planned = this.#runner.ownPlan(planned)
    return statement
  }

  /** Parameters or results in binary that the executor has to map: they go from node to node as they are here. */
  async #holdsForeignOids(
    statement: PreparedStatement,
    { formats, values, resultFormats }: Bind,
    target: Target,
  ): Promise<boolean> {
    const { planned } = statement
    const isText = !resultFormats.includes(1) && !(formats.includes(1) && values.length > 0)
    if (isText || target.shardIndex === undefined) return false
    if (planned?.catalog.userTypes === undefined) return false
    const { fields = [], parameterTypes } = await this.#prepared.describe(statement)
    const { catalog } = planned
    const isForeign = ({ typeOid, format }: { typeOid: number; format: number }) =>
      format === 1 && holdsForeignOids(catalog, typeOid)
    const parameters = parameterTypes.map((typeOid, index) => ({
      typeOid,
      format: formats[formats.length === 1 ? 0 : index] ?? 0,
    }))
    return withFormats(fields, resultFormats).some(isForeign) || parameters.some(isForeign)
  }

  #renew(statement: PreparedStatement, portal: string): Promise<void> {
    return renew(statement, this.#runner, this.#prepared, this.#isDescribedNext(portal))
  }

  /** Throws the refusal. undefined: not for one connection alone; the statement's plan is then its own. */
  #targetOf(statement: PreparedStatement, bind: Bind): Target | undefined {
    const { planned } = statement
    if (planned === undefined) return undefined
    if (planned.plan.kind === 'refusal') throw refusalError(planned.plan)
    const parameters = { types: statement.types, formats: bind.formats, values: bind.values }
    const target = this.#runner.target(planned, parameters)
    if (target !== undefined || planned.isOwn) return target
    statement.planned = this.#runner.ownPlan(planned)
    return this.#targetOf(statement, bind)
  }

  /** A portal that the executor or the session itself will run: nothing is sent anywhere yet. */
  async #bindHere(statement: PreparedStatement, bind: Bind): Promise<void> {
    const { output } = this.#parts
    const isAnswered = this.#unanswered === undefined
    const kind = statement.planned?.plan.kind
    if (kind !== undefined && kind !== 'session') await this.#prepared.describe(statement)
    if (!isAnswered) writeParseComplete(output.frames)
    this.#unanswered = undefined
    checkParameterCount(statement, bind)
    writeBindComplete(output.frames)
    this.#portals.set({
      name: bind.portal,
      prepared: statement,
      bound: { formats: bind.formats, values: [...bind.values], resultFormats: bind.resultFormats },
      server: undefined,
      held: undefined,
      isDone: false,
    })
  }

  async #forward(
    statement: PreparedStatement,
    bind: Bind,
    target: Target,
    describes: boolean,
    maxRows: number | undefined,
  ): Promise<void> {
    const { planned } = statement
    if (planned === undefined) return
    await this.#runner.prepareLocal(planned)
    const connection = await this.#runner.connectionTo(target)
    this.#runner.pinLocal(planned, connection)
    const isWhole = maxRows === 0
    const name = isWhole ? '' : `pgloom_portal_${++this.#portalCount}`
    const answersParse = this.#unanswered !== undefined
    const group = {
      planned,
      target,
      parameterTypes: statement.types,
      bound: bind,
      portalName: name,
      keepsStatement: statement.name !== '' && !statement.namesMoment,
      answersParse,
      answersBind: true,
      describes,
      maxRows,
      mayHeal: describes || !statement.isDescribed,
    }
    try {
      await this.#forwarding.forward(connection, group)
    } catch (error) {
      // with ParseComplete the statement is the client's, whatever became of its execution
      if (this.#parts.relay.sink.script.answered > 0) this.#unanswered = undefined
      if (isResultTypeChange(error)) statement.isOutdated = !group.mayHeal
      throw error
    }
    this.#unanswered = undefined
    if (describes) statement.told()
    this.#afterForward(statement, bind, { connection, name }, maxRows)
  }

  #afterForward(
    statement: PreparedStatement,
    bind: Bind,
    server: Portal['server'],
    maxRows: number | undefined,
  ): void {
    const { transaction, relay, clock } = this.#parts
    const { planned } = statement
    const tier = planned?.plan.kind === 'local' ? 'local' : 'router'
    if (planned !== undefined && maxRows !== undefined) this.#runner.noteLocal(planned)
    const isDone = maxRows !== undefined && relay.sink.tag !== ''
    if (isDone) clock.done(tier)
    this.#portals.set({
      name: bind.portal,
      prepared: statement,
      bound: { formats: bind.formats, values: [], resultFormats: bind.resultFormats },
      server,
      held: undefined,
      isDone,
    })
    transaction.endStatement(false)
  }

  #isDescribedNext(portal: string): boolean {
    const next = this.#inbox.peek()
    if (next?.type !== Frontend.describe) return false
    const { kind, name } = readDescribe(next.frame)
    return kind === 'portal' && name === portal
  }

  /** true: the next message describes this portal; it is taken. */
  #takeDescribe(portal: string): boolean {
    const isNext = this.#isDescribedNext(portal)
    if (isNext) this.#inbox.shift()
    return isNext
  }

  /** The row limit, when the next message executes this portal; it is taken. */
  #takeExecute(portal: string): number | undefined {
    const next = this.#inbox.peek()
    if (next?.type !== Frontend.execute) return undefined
    const execute = readExecute(next.frame)
    if (execute.portal !== portal) return undefined
    this.#inbox.shift()
    return Math.max(0, execute.maxRows)
  }

  /** A group that Sync follows is a transaction of its own; all else shares one until Sync. */
  #openImplicitUnlessLast(): void {
    const { transaction } = this.#parts
    if (transaction.status !== TransactionStatus.idle) return
    if (this.#inbox.peek()?.type !== Frontend.sync) transaction.beginImplicit()
  }

  async #describe(frame: Buffer): Promise<void> {
    const { output, transaction } = this.#parts
    const { kind, name } = readDescribe(frame)
    if (kind === 'portal') {
      await this.#portalRunner.describe(await this.#cursors.get(name))
      return
    }
    const statement = this.#parts.prepared.get(name)
    checkNotFailed(transaction.status, statement.planned?.plan)
    const { parameterTypes, fields } = await this.#prepared.describe(statement)
    writeParameterDescription(output.frames, parameterTypes)
    if (fields === undefined) writeNoData(output.frames)
    else writeRowDescription(output.frames, fields)
    statement.told()
    if (transaction.status === TransactionStatus.idle) transaction.endStatement(false)
  }

  async #execute(frame: Buffer): Promise<void> {
    const { transaction } = this.#parts
    const { portal: name, maxRows } = readExecute(frame)
    const portal = await this.#cursors.get(name)
    const plan = portal.prepared.planned?.plan
    checkNotFailed(transaction.status, plan)
    if (plan?.kind !== 'session') this.#openImplicitUnlessLast()
    await this.#portalRunner.execute(portal, Math.max(0, maxRows))
    transaction.endStatement(false)
  }

  async #close(frame: Buffer): Promise<void> {
    const { kind, name } = readClose(frame)
    if (kind === 'statement') this.#parts.prepared.delete(name)
    else {
      const portal = this.#portals.find(name)
      this.#portals.delete(name)
      if (portal === undefined) await this.#cursors.close(name)
      else await this.#portalRunner.close(portal)
    }
    writeCloseComplete(this.#parts.output.frames)
  }
}

function checkParameterCount(statement: PreparedStatement, bind: Bind): void {
  const wanted = statement.description?.parameterTypes.length ?? 0
  const given = bind.values.length
  if (given === wanted) return
  throw new RouterError(
    SqlState.protocolViolation,
    `bind message supplies ${given} parameters, but prepared statement "${statement.name}" requires ${wanted}`,
  )
}
