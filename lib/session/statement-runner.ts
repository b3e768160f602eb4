import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Settings } from '../backend/session-state.ts'
import { nowMs } from '../base/clock.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, Shard } from '../catalog/catalog.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { checkCursorFree, currentShard } from '../executor/declare-cursor.ts'
import { StatementKeys } from '../executor/execution-keys.ts'
import type { Parameters, QueryTier } from '../executor/ports.ts'
import type { PositionMap } from '../executor/relay/position-map.ts'
import { writeReplaced, writeSpliced } from '../executor/relay/splice-writer.ts'
import { type Route, resolveInsert, resolvePins } from '../executor/route.ts'
import { routedShard } from '../executor/routed.ts'
import { describeStatement } from '../executor/statement-description.ts'
import type { Access } from '../executor/transaction/transaction.ts'
import type { LocalPlan, RoutedStatement, ViewUse } from '../planner/plan.ts'
import type { LexResult } from '../sql/lexer.ts'
import { writeCommandComplete } from '../wire/backend-messages.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import { ScatterReads } from './scatter-reads.ts'
import { currentRole, searchPathOf } from './search-path.ts'
import type { SessionCommands } from './session-commands.ts'
import type { SessionParts } from './session-parts.ts'
import { checkSessionViews } from './session-views-check.ts'
import { checkNotFailed } from './statement-guards.ts'
import type {
  CachedPlan,
  ParsedStatement,
  PlannedStatement,
  PlanningWorld,
} from './statement-planner.ts'
import { checkViews, ViewChanged } from './view-rights.ts'

/** Where a statement goes as it is: to one connection. */
export type Target = {
  readonly nodeId: number
  readonly access: Access
  /** undefined or false: Postgres' own code alone. */
  readonly runsCode?: boolean
  /** undefined: not spliced; it runs on the coordinator. */
  readonly shardIndex: number | undefined
}

export function tierOf({ shardIndex }: Target): QueryTier {
  return shardIndex === undefined ? 'local' : 'router'
}

export const NO_PARAMETERS: Parameters = { types: [], formats: [], values: [] }

/** Plans statements in the session's world and runs them. */
export class StatementRunner {
  readonly #parts: SessionParts
  readonly #commands: SessionCommands
  readonly #keys = new StatementKeys()
  readonly #scatterReads: ScatterReads
  /** Those that #lastSearchPath was made from. */
  #searchPathSettings: Settings | undefined
  #lastSearchPath: readonly string[] = []

  constructor(parts: SessionParts, commands: SessionCommands) {
    this.#parts = parts
    this.#commands = commands
    this.#scatterReads = new ScatterReads(parts, this)
  }

  plan(parsed: ParsedStatement): PlannedStatement {
    const { planner, user } = this.#parts
    return planner.plan(parsed, this.#world(), user)
  }

  /** The same statement, planned for its own text. */
  ownPlan({ source, base }: PlannedStatement): PlannedStatement {
    return this.plan({ text: source, base, statement: undefined })
  }

  /** undefined: the text must be parsed. */
  planFromCache(text: Buffer): PlannedStatement | undefined {
    return this.#parts.planner.fromCache(text, this.#world())
  }

  /** As planFromCache, for a text that isn't ours. */
  lookup(text: Buffer, start: number, end: number, into: LexResult): CachedPlan | undefined {
    const { catalogs, temporaryNames, planner } = this.#parts
    if (temporaryNames.size > 0 || !catalogs.isShared) return undefined
    const searchPath = this.#searchPath()
    return planner.lookup(text, start, end, into, catalogs.current(), searchPath)
  }

  #world(): PlanningWorld {
    const { catalogs, temporaryNames, settings } = this.#parts
    const { isShared } = catalogs
    const searchPath = this.#searchPath()
    const temporaryViews = this.#parts.temporaryViews.all
    const restricted = settings.effective.get('restrict_nonsystem_relation_kind') ?? ''
    const restrictsViews = /view/i.test(restricted)
    const catalog = catalogs.current()
    return { catalog, isShared, searchPath, temporaryNames, temporaryViews, restrictsViews }
  }

  /** false: the metadata or the search path have changed since. */
  isCurrent(planned: PlannedStatement): boolean {
    return (
      planned.catalog === this.#parts.catalogs.current() &&
      this.#parts.temporaryViews.holds(planned.views) &&
      planned.searchPath === this.#searchPath()
    )
  }

  #searchPath(): readonly string[] {
    const { settings, user } = this.#parts
    const { effective } = settings
    if (this.#searchPathSettings === effective) return this.#lastSearchPath
    this.#searchPathSettings = effective
    this.#lastSearchPath = searchPathOf(effective.get('search_path'), currentRole(effective, user))
    return this.#lastSearchPath
  }

  /** In the simple protocol: everything up to CommandComplete. Throws the statement's error. */
  async runSimple(planned: PlannedStatement): Promise<void> {
    const { plan } = planned
    checkNotFailed(this.#parts.transaction.status, plan)
    if (plan.kind === 'refusal') {
      await this.#runInExecutor(planned)
      return
    }
    if (plan.kind === 'session') {
      await this.#commands.run(planned, plan.command, true)
      return
    }
    this.#parts.catalogs.checkNotOvertaken()
    const target = this.target(planned, NO_PARAMETERS)
    if (target !== undefined) await this.#relayQuery(planned, target)
    else if (planned.isOwn || this.#isOneShards(planned)) await this.#runInExecutor(planned)
    else if (!(await this.#scatterReads.run(planned))) {
      await this.runSimple(this.ownPlan(planned))
    }
  }

  /** A write that must keep global unique indexes besides; its shape's plan holds for this text too. */
  #isOneShards(planned: PlannedStatement): boolean {
    const { plan } = planned
    if (plan.kind !== 'unique-write') return false
    return this.target({ ...planned, plan: plan.plan }, NO_PARAMETERS) !== undefined
  }

  /** undefined: not for one connection alone; the executor runs it. */
  target(planned: PlannedStatement, parameters: Parameters): Target | undefined {
    const { plan } = planned
    switch (plan.kind) {
      case 'local':
        return this.#localTarget(planned.catalog, plan)
      case 'select':
      case 'modify':
      case 'insert-rows': {
        const current =
          plan.kind === 'modify' ? currentShard(plan, this.#parts.transaction.cursors) : undefined
        if (current !== undefined) return targetOf(plan.routed, current)
        const keys = this.#keys.reset(planned.text, planned.literals, parameters)
        const route =
          plan.kind === 'insert-rows'
            ? resolveInsert(plan, keys)
            : resolvePins(plan.routed.pins, keys)
        return shardTarget(plan.routed, route)
      }
      default:
        return undefined
    }
  }

  /** FETCH, MOVE and CLOSE go where their cursor is; the coordinator knows best of those that we don't know. */
  #localTarget(catalog: Catalog, plan: LocalPlan): Target {
    const { cursors } = this.#parts.transaction
    const cursor = plan.cursor === undefined ? undefined : cursors.find(plan.cursor.name)
    const isDrawn = plan.readsSequences === 'alone'
    const drawnOn = isDrawn ? this.#parts.transaction.sequences.nodeId : undefined
    const nodeId = cursor?.nodeId ?? drawnOn ?? coordinatorOf(catalog).nodeId
    const isReadOnly = cursor?.isReadOnly ?? plan.isReadOnly
    const access = isReadOnly ? 'read' : 'write'
    return { nodeId, access, runsCode: plan.runsCode, shardIndex: undefined }
  }

  /** Where a cursor lives. */
  connectionOf(cursorName: string): Promise<BackendConnection> {
    const { transaction, catalogs } = this.#parts
    const cursor = transaction.cursors.find(cursorName)
    const { nodeId } = cursor ?? coordinatorOf(catalogs.current())
    const access = cursor?.isReadOnly === true ? 'read' : 'write'
    return this.connectionTo({ nodeId, access, shardIndex: undefined })
  }

  /** Whom to ask what a statement takes and gives. */
  async describer(planned: PlannedStatement | undefined): Promise<BackendConnection> {
    const plan = planned?.plan
    if (planned === undefined || plan?.kind !== 'local' || plan.cursor === undefined) {
      return this.coordinator()
    }
    return this.connectionOf(plan.cursor.name)
  }

  /** Borrows the target's connection for the statement. */
  async connectionTo({ nodeId, access, runsCode }: Target): Promise<BackendConnection> {
    const { transaction, signal } = this.#parts
    const connection =
      transaction.connectionNow(nodeId, access) ??
      (await transaction.connection(nodeId, access, signal()))
    if (runsCode === true) transaction.taint(connection)
    return connection
  }

  async coordinator(access: Access = 'read'): Promise<BackendConnection> {
    const { nodeId } = coordinatorOf(this.#parts.catalogs.current())
    return this.connectionTo({ nodeId, access, shardIndex: undefined })
  }

  /** The text as the target must get it, without a zero at its end. */
  writeText(
    out: { bytes(buffer: Buffer, start?: number, end?: number): void },
    planned: PlannedStatement,
    target: Target,
    positions: PositionMap,
  ): void {
    const { text, plan, base } = planned
    if (target.shardIndex === undefined) {
      const replacements = plan.kind === 'local' ? plan.replacements : []
      writeReplaced(out, text, 0, text.length, replacements, positions, base)
      return
    }
    const { literals } = planned
    const splices = 'routed' in plan ? plan.routed.splices : []
    writeSpliced(out, text, 0, text.length, literals, splices, target.shardIndex, positions, base)
  }

  /** Before a local statement runs; its connection has not been asked for yet. */
  async prepareLocal({ plan, views, source }: PlannedStatement): Promise<void> {
    const { commands, context, transaction } = this.#parts
    if (plan.kind === 'local') checkSessionViews(plan.sessionViews, this.#parts)
    if (views.some(({ write }) => write !== undefined)) {
      // what it may name is what the view has, not the table below
      await describeStatement(await this.coordinator(), source, [])
    }
    if (views.length > 0) await this.#checkViews(views)
    if (plan.kind === 'local' && plan.cursor?.action === 'declare') {
      checkCursorFree(transaction.cursors, plan.cursor.name)
    }
    if (plan.kind === 'local' && plan.refreshesSizes) await commands.refreshSizes(context())
  }

  async #checkViews(views: readonly ViewUse[]): Promise<void> {
    try {
      await checkViews(views, await this.coordinator())
    } catch (error) {
      if (error instanceof ViewChanged) {
        this.noteCatalogChange()
        this.#parts.temporaryViews.noteChange()
      }
      throw error
    }
  }

  /** Before it is sent on the connection that is to be kept. */
  pinLocal({ plan, temporaryNames }: PlannedStatement, connection: BackendConnection): void {
    if (plan.kind !== 'local') return
    if (plan.readsSequences !== 'none' && !this.#parts.transaction.sequences.holdsOn(connection)) {
      throw sequencesUnknown()
    }
    if (plan.setsSettings.length > 0) {
      this.#parts.transaction.watchSettings(connection, plan.setsSettings)
    }
    if (plan.pin === undefined) return
    this.#parts.transaction.pin(connection.node.nodeId, plan.pin)
    for (const name of temporaryNames) this.#parts.temporaryNames.add(name)
  }

  /** After a statement that runs as it is has succeeded. */
  noteLocal({ plan, catalog, text }: PlannedStatement): void {
    if (plan.kind !== 'local') return
    if (plan.changesCatalog) this.#parts.temporaryViews.noteStatement(text)
    if (plan.changesCatalog && plan.pin !== 'temporary table') this.noteCatalogChange()
    if (plan.changesCatalog || plan.cursor !== undefined) this.#parts.transaction.reviewPins()
    if (plan.cursor === undefined) return
    const { cursors } = this.#parts.transaction
    const { action, name, isHeld } = plan.cursor
    if (action === 'close') cursors.close(name)
    if (action !== 'declare') return
    const { nodeId } = coordinatorOf(catalog)
    cursors.declare(name, { nodeId, isHeld, isReadOnly: false, shard: undefined })
  }

  /** A statement is about to be sent as it is. */
  noteBegin(planned: PlannedStatement, target: Target, parameters: Parameters): void {
    const { text, source, literals, conduct, views } = planned
    const shown = views.length === 0 ? text : source
    this.#parts.statistics.beginsRouted(conduct, shown, target, () =>
      this.#keys.reset(text, literals, parameters),
    )
  }

  noteExecuted({ plan: noted }: Pick<PlannedStatement, 'plan'>): void {
    const plan = noted.kind === 'explain' ? noted.statement : noted
    const creates = plan.kind === 'pulled' && plan.local.changesCatalog
    const isDdl = plan.kind === 'ddl' || plan.kind === 'materialize'
    if (creates || isDdl || plan.kind.startsWith('function')) this.noteCatalogChange()
  }

  /** After a statement has succeeded: what it created or dropped is seen from its commit on. */
  noteCatalogChange(): void {
    this.#parts.catalogs.noteChange()
  }

  /** false: freshen() first, then plan. */
  get isFresh(): boolean {
    const { catalogs, transaction, temporaryViews } = this.#parts
    return !(catalogs.isStale || temporaryViews.isStale) && transaction.isProven
  }

  async freshen(): Promise<void> {
    await this.#parts.transaction.proven()
    await this.#readChanges()
  }

  async #readChanges(): Promise<void> {
    const { transaction, catalogs, signal } = this.#parts
    if (catalogs.isStale) await catalogs.freshen(transaction, signal())
    await this.#parts.temporaryViews.freshen(transaction, catalogs.current(), () =>
      this.coordinator(),
    )
  }

  /** When the session stands outside a transaction again. */
  async refreshIfNeeded(): Promise<void> {
    const { transaction, channels, catalogs, log } = this.#parts
    if (transaction.status !== TransactionStatus.idle) return
    await transaction.proven()
    try {
      await this.#readChanges()
    } catch (error) {
      if (!catalogs.isStale) throw error
      // what has ended is told as it ended; the next statement tries again, and says so
      log.warn('the catalog could not be read', { error })
    }
    // a client that listens gets its own notifications before ReadyForQuery
    if (channels.isListening) await channels.settled()
  }

  async #relayQuery(planned: PlannedStatement, target: Target): Promise<void> {
    await this.prepareLocal(planned)
    const connection = await this.connectionTo(target)
    this.pinLocal(planned, connection)
    this.noteBegin(planned, target, NO_PARAMETERS)
    const { output } = this.#parts
    const beganAtMs = nowMs()
    const bytesBefore = output.bytesWritten
    await this.relay(connection, planned, (out, positions) => {
      const mark = out.begin(Frontend.query)
      this.writeText(out, planned, target, positions)
      out.byte(0)
      out.end(mark)
    })
    const endedAtMs = nowMs()
    const time = planned.conduct.times.of(target.shardIndex)
    time.note(endedAtMs - beganAtMs, output.bytesWritten - bytesBefore, endedAtMs, true)
    this.#parts.clock.done(tierOf(target), 1, endedAtMs)
    this.noteLocal(planned)
  }

  /** One request whose answer goes to the client; throws its error. */
  async relay(
    connection: BackendConnection,
    { catalog }: Pick<PlannedStatement, 'catalog'>,
    write: (out: FrameWriter, positions: PositionMap) => void,
  ): Promise<void> {
    const { relay } = this.#parts
    relay.begin(connection, catalog)
    write(connection.out, relay.sink.positions)
    const error = await relay.finished()
    if (error !== undefined) throw error
  }

  /** In a block what a server has kept, and doesn't fit any more, would fail the block. */
  #isRepeated({ conduct }: PlannedStatement): boolean {
    return conduct.isRepeated && !this.#parts.transaction.isInBlock
  }

  async #runInExecutor(planned: PlannedStatement): Promise<void> {
    const { context, execute, output } = this.#parts
    const execution = {
      text: planned.text,
      positionBase: planned.base,
      parameters: NO_PARAMETERS,
      resultFormats: [],
      sendsRowDescription: true,
      maxRows: 0,
      keepsStatement: this.#isRepeated(planned) ? ('repeated' as const) : undefined,
    }
    await this.prepareLocal(planned)
    const tag = await execute(planned.plan, execution, context())
    writeCommandComplete(output.frames, tag)
    this.noteExecuted(planned)
  }
}

function sequencesUnknown(): RouterError {
  return new RouterError(
    SqlState.objectNotInPrerequisiteState,
    'currval() and lastval() are not known: the server connection on which the sequence was used has served others since, or the session has written on others',
    {
      hint: 'Use INSERT … RETURNING or the result of nextval(), or run both again in one transaction, right after each other (after an INSERT into several shards, only RETURNING tells it).',
    },
  )
}

function shardTarget(routed: RoutedStatement, route: Route): Target | undefined {
  const shard = routedShard(routed, route)
  return shard === undefined ? undefined : targetOf(routed, shard)
}

function targetOf(routed: RoutedStatement, shard: Shard): Target {
  const access = routed.isReadOnly ? 'read' : 'write'
  return { nodeId: shard.nodeId, access, runsCode: routed.runsCode, shardIndex: shard.index }
}
