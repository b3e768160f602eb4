import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { ConnectionAwaiter } from '../../backend/wait-queue.ts'
import { BackendLost, type RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { PinReason } from '../../planner/plan.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'
import { adoptSettings } from './adopted-settings.ts'
import { atomically } from './atomically.ts'
import { BlockOpening } from './block-opening.ts'
import { prepareForClient } from './client-prepare.ts'
import { ConnectionLender, discard, type LenderOptions } from './connection-lender.ts'
import { ConsistentReads } from './consistent-reads.ts'
import { BlockCommit, type CommitOptions, commitFailure, onEach } from './participant-commit.ts'
import { type ParticipantMarks, Participants } from './participants.ts'
import { quoteIdentifier } from './replay-log.ts'
import { SequenceOwnership } from './sequence-ownership.ts'
import { SessionCursors } from './session-cursors.ts'
import { type Pin, SessionPins } from './session-pins.ts'
import { failedTransaction, noTransactions } from './transaction-errors.ts'
import { type TransactionFollower, TransactionFollowers } from './transaction-follower.ts'

/** 'setting': SET, SHOW and their kin, which take no snapshot. */
export type Access = 'read' | 'write' | 'setting'

export type SessionTransactionOptions = LenderOptions &
  CommitOptions & {
    readonly followers?: readonly TransactionFollower[]
    /** Kept true to the coordinator's own. */
    readonly temporaryNames?: Set<string>
  }

/**
 * The server side of one client session: which connections it holds, and its transaction block over all of them.
 *
 *     block     explicit: the client said BEGIN. implicit: a script, a pipeline up to Sync, or a statement over
 *               several nodes. none: each connection is borrowed for one statement, in autocommit.
 *     failed    after an error inside a block nothing runs before ROLLBACK (TO), on any node.
 *     pinned    a connection that this session keeps between transactions, with the reasons why.
 *
 * A node joins a block with its first statement; what it missed comes from the replay log. Settings: outside a block
 * a connection is brought in step before it is handed out; into one with what held when the block began (BlockOpening); inside by
 * SET LOCAL, pipelined, since an error there fails the block on that node. Not re-entrant: one statement at a time, as the protocol has it.
 */
export class SessionTransaction {
  readonly cursors = new SessionCursors()
  readonly sequences: SequenceOwnership
  readonly consistency: ConsistentReads
  /** Blocks opened so far. */
  blocks = 0
  /** When the last of them was, by the clock of the day. */
  openedAtMs = 0
  readonly #options: SessionTransactionOptions
  readonly #followers: TransactionFollowers
  readonly #lender: ConnectionLender
  readonly #participants = new Participants()
  readonly #borrowed = new Map<number, BackendConnection>()
  readonly #pinned: SessionPins
  readonly #blockCommit: BlockCommit
  #block: 'none' | 'implicit' | 'explicit' = 'none'
  #hasFailed = false
  #ending: Promise<unknown> | undefined
  /** A participant was lost: not even ROLLBACK TO can mend the block. */
  #isLost = false
  readonly #opening: BlockOpening

  constructor(options: SessionTransactionOptions) {
    this.#options = options
    const { settings, followers = [] } = options
    this.sequences = new SequenceOwnership(options.pools)
    this.#opening = new BlockOpening(settings)
    this.#followers = new TransactionFollowers([settings, this.cursors, ...followers])
    this.#lender = new ConnectionLender(options)
    this.#pinned = new SessionPins({
      released: (connection) => this.#release(connection),
      failedInside: this.#opening.onError,
      settings: (connection, found, isInTransaction) =>
        adoptSettings(options.settings, connection, found, isInTransaction),
      temporaryNames: (connection, names) => this.#setTemporaryNames(connection, names),
      log: options.log,
    })
    this.#blockCommit = new BlockCommit(this.#lender, options)
    this.consistency = new ConsistentReads({
      ...options,
      lender: this.#lender,
      participants: this.#participants,
      pinned: this.#pinned,
      join: (connection) => this.#join(connection.node.nodeId, connection, 'read'),
    })
  }

  /** The byte for ReadyForQuery. An implicit block is T here too. */
  get status(): number {
    if (this.#block === 'none') return TransactionStatus.idle
    return this.#hasFailed ? TransactionStatus.failed : TransactionStatus.inTransaction
  }

  get isInBlock(): boolean {
    return this.#block !== 'none'
  }

  /** Outside a block, and nothing ties the session to a connection: any that holds its settings will do. */
  get isFree(): boolean {
    return this.#block === 'none' && this.#borrowed.size === 0 && !this.#pinned.hasPins
  }

  get characteristics(): string {
    return this.#opening.replay.characteristics
  }

  /** Opened by beginImplicit and not made explicit since. */
  get isImplicit(): boolean {
    return this.#block === 'implicit'
  }

  get pins(): readonly Pin[] {
    return this.#pinned.list
  }

  /** See ConnectionLender. */
  get waitingSinceMs(): number {
    return this.#lender.waitingSinceMs
  }

  /** Those a cancel may hit: once all nodes are prepared, the transaction ends of itself, and is not to be left half-done. */
  get cancellable(): readonly BackendConnection[] {
    return this.#blockCommit.cancellable(this.connections)
  }

  /** The name under which it is being prepared: then it may wait by its server processes or by its prepared parts. */
  get preparingAs(): string | undefined {
    return this.#blockCommit.preparingAs
  }

  /** All that the statement at hand may be using. */
  get connections(): readonly BackendConnection[] {
    return [...this.#participants.connections, ...this.#borrowed.values()]
  }

  // -- connections ----------------------------------------------------------------------------------------------

  /**
   * The session's connection to the node, ready to be written to; undefined when that needs waiting. `leads`: the caller writes
   * what takeLead() says before his statement, in this turn.
   */
  connectionNow(nodeId: number, access: Access, leads = false): BackendConnection | undefined {
    if (this.consistency.isDue(access)) return undefined
    const found = this.#find(nodeId, access, leads)
    if (access === 'write' && found !== undefined) this.sequences.claim(found)
    return found
  }

  #find(nodeId: number, access: Access, leads: boolean): BackendConnection | undefined {
    const held = this.#held(nodeId, access)
    if (held !== undefined) {
      if (!leads) this.#opening.sendLead()
      return held
    }
    const pinned = this.#pinned.living(nodeId)
    const fresh = pinned ?? this.#lender.acquireNow(nodeId, this.#block === 'none')
    if (fresh === undefined) return undefined
    if (this.#block !== 'none') return this.#join(nodeId, fresh, access, leads)
    if (this.#lender.isInStep(fresh)) return this.#borrow(nodeId, fresh)
    if (pinned === undefined) this.#lender.giveBack(fresh)
    return undefined
  }

  /** As connectionNow, but waits in turn for a free connection, and until it holds the session's settings. */
  async connection(
    nodeId: number,
    access: Access,
    signal: AbortSignal,
  ): Promise<BackendConnection> {
    if (this.consistency.isDue(access)) await this.consistency.open(signal)
    const held = this.connectionNow(nodeId, access)
    if (held !== undefined) return held
    const fresh = this.#pinned.living(nodeId) ?? (await this.#lender.acquire(nodeId, signal))
    if (this.#block !== 'none') this.#join(nodeId, fresh, access)
    else {
      this.#borrow(nodeId, fresh)
      await this.#lender.bringInStep(fresh)
      // the cancel may have come for the settings
      signal.throwIfAborted()
    }
    if (access === 'write') this.sequences.claim(fresh)
    return fresh
  }

  /**
   * As connection(), without a promise, after connectionNow() has had none; who is served asks that again. Returns how to
   * withdraw (false: it is too late, `awaiter` will be told); undefined: ask connection().
   */
  enqueue(nodeId: number, access: Access, awaiter: ConnectionAwaiter): (() => boolean) | undefined {
    if (this.#pinned.living(nodeId) !== undefined || this.consistency.isDue(access))
      return undefined
    return this.#lender.enqueue(nodeId, {
      served: (fresh) => {
        if (this.#block !== 'none') awaiter.served(this.#join(nodeId, fresh, access, true))
        else this.#lender.whenInStep(this.#borrow(nodeId, fresh), awaiter)
      },
      refused: (error) => awaiter.refused(error),
    })
  }

  /** Outside the client's transaction, settings in step. Give it back with releaseSide. */
  async sideConnection(nodeId: number, signal: AbortSignal): Promise<BackendConnection> {
    const connection = await this.#lender.acquire(nodeId, signal)
    try {
      await this.#lender.bringInForce(connection)
    } catch (error) {
      this.#lender.giveBack(connection)
      throw error
    }
    return connection
  }

  releaseSide(connection: BackendConnection): void {
    this.#lender.giveBack(connection)
  }

  /** How the block begins, if that is to go along with the first statement on this connection; '' mostly. */
  takeLead(connection: BackendConnection): string {
    return this.#opening.takeLead(connection)
  }

  /** After each statement: gives autocommit connections back; inside a block a failure makes the block failed. */
  endStatement(failed: boolean): void {
    this.#opening.sendLead()
    this.sequences.endStatement()
    if (this.#block === 'none') {
      this.#releaseBorrowed()
      this.#pinned.prove(false)
    } else if (failed) this.#fail()
    else if (!this.#hasFailed) this.#pinned.prove(true)
  }

  /** What to tell the client instead of `error`: a block that failed unseen on a node shows up as 25P02 later. */
  trueError(error: RouterError): RouterError {
    const isOwnFault =
      error instanceof BackendLost || error.sqlState === SqlState.inFailedSqlTransaction
    return isOwnFault && !this.#hasFailed ? (this.#opening.error ?? error) : error
  }

  /** Who takes part now; for takeBack(). */
  marks(): ParticipantMarks {
    return this.#participants.marks()
  }

  /** As if the failed statement had not been, on nodes that joined since, or on the one. false: it used others too, or snapshots of all. */
  async takeBack(since: ParticipantMarks | number): Promise<boolean> {
    const isBound = this.consistency.isHeld || this.#hasFailed
    const dismissed = isBound ? undefined : await this.#participants.dismissSince(since)
    for (const connection of dismissed ?? []) this.#leave(connection)
    return dismissed !== undefined
  }

  // -- blocks ---------------------------------------------------------------------------------------------------

  /** BEGIN with its options, as the client wrote it. An implicit block becomes explicit. */
  begin(text: string): void {
    if (this.#lender.mode === 'statement') throw noTransactions()
    if (this.#block === 'none') this.#open('explicit', text)
    else this.#block = 'explicit'
  }

  /** An implicit block; no effect inside a block. Returns whether this call opened it. */
  beginImplicit(text = 'BEGIN'): boolean {
    if (this.#block !== 'none') return false
    this.#open('implicit', text)
    return true
  }

  /** SET TRANSACTION inside the block, already run on `ran`: for the others, and for those who join later. */
  async replay(text: string, ran: BackendConnection | undefined): Promise<void> {
    this.#opening.replay.add(text)
    const others = this.connections.filter((connection) => connection !== ran)
    await onEach(others, text)
  }

  async savepoint(name: string): Promise<void> {
    this.#refuseWhenFailed()
    await onEach(this.connections, `SAVEPOINT ${quoteIdentifier(name)}`)
    this.#opening.replay.savepoint(name)
    this.#followers.savepoint(name)
  }

  async release(name: string): Promise<void> {
    this.#refuseWhenFailed()
    this.#opening.replay.release(name)
    await onEach(this.connections, `RELEASE SAVEPOINT ${quoteIdentifier(name)}`)
    this.#followers.release(name)
  }

  /** Mends a failed block, unless a participant was lost. */
  async rollbackTo(name: string): Promise<void> {
    this.#opening.replay.rollbackTo(name)
    if (this.#isLost) throw failedTransaction()
    await onEach(this.connections, `ROLLBACK TO SAVEPOINT ${quoteIdentifier(name)}`)
    for (const { settings } of this.connections) settings.savepointRolledBack()
    this.#followers.rollbackTo(name)
    this.#hasFailed = false
    this.#opening.error = undefined
    this.#pinned.suspectAll()
    this.#pinned.prove(true)
  }

  /** COMMIT of the block, on all nodes or none. false: it had failed, so it was rolled back, as in Postgres. */
  commit(): Promise<boolean> {
    const [failed, slipped] = [this.#hasFailed, this.#opening.error]
    const check = () => this.#followers.prepareCommit()
    return this.#ends(() => this.#blockCommit.run(this.#participants, { failed, slipped, check }))
  }

  async #ends(work: () => Promise<boolean>): Promise<boolean> {
    let isCommitted = false
    const ending = work()
    this.#ending = ending
    try {
      isCommitted = await ending
      return isCommitted
    } finally {
      this.#ending = undefined
      this.#followers.end(isCommitted)
      this.#close()
    }
  }

  /**
   * The one connection on which the client's own COMMIT or ROLLBACK ends the block, with ended() to follow; 'none': the
   * block touched nothing, ended() is all; undefined: it is for commit() and rollback().
   */
  get endsOn(): BackendConnection | 'none' | undefined {
    if (this.#block !== 'explicit' || this.#hasFailed || !this.#followers.isQuiet) return undefined
    return this.#participants.size === 0 ? 'none' : this.#participants.calmSole
  }

  /** `error`: of the COMMIT. Returns what to tell the client of it. */
  ended(isCommitted: boolean, error: RouterError | undefined): RouterError | undefined {
    const [writer] = error === undefined ? [] : this.#participants.writers
    this.#followers.end(isCommitted && error === undefined)
    this.#close()
    return error === undefined || writer === undefined ? error : commitFailure(writer, error)
  }

  async rollback(): Promise<void> {
    await this.#participants.settleCancels()
    await this.#participants.rollback()
    this.#followers.rollback()
    this.#close()
  }

  /** The client's own PREPARE TRANSACTION: see client-prepare.ts. false: it had failed, so it was rolled back. */
  prepareTransaction(gid: string, signal: AbortSignal): Promise<boolean> {
    if (this.#hasFailed) return this.commit()
    const prepare = {
      participants: this.#participants,
      catalog: this.#options.catalog.current(),
      join: (nodeId: number, access: Access) => this.connection(nodeId, access, signal),
      check: () => this.#followers.prepareCommit(),
    }
    return this.#ends(() => prepareForClient(gid, prepare))
  }

  /** `work` decides, by connections at hand and outside of any block, what then ends of itself: nothing cuts it short. */
  async decide<T>(work: () => Promise<T>): Promise<T> {
    const ending = this.#blockCommit.shield(async () => {
      for (const connection of this.connections) {
        if (connection.state !== 'ready') continue
        await connection.cancelsSettled()
        await this.#lender.makeSteady(connection)
      }
      return await work()
    })
    this.#ending = ending
    return await ending.finally(() => {
      this.#ending = undefined
    })
  }

  /** Runs `work` so that all its writes commit together or not at all; see ports.ts. */
  atomically<T>(work: () => Promise<T>): Promise<T> {
    return atomically(this, 'BEGIN', work)
  }

  // -- session --------------------------------------------------------------------------------------------------

  /** From now on the session keeps its connection to this node, which the statement at hand must be using. */
  pin(nodeId: number, reason: PinReason): void {
    const connection = this.#participants.find(nodeId) ?? this.#borrowed.get(nodeId)
    if (connection === undefined) throw new Error('only a connection in use can be pinned')
    this.#pinned.add(connection, reason)
  }

  /** Code of the user's is about to run on it: what it leaves behind is the session's; else it is cleaned for others. */
  taint(connection: BackendConnection): void {
    this.#lender.taint(connection)
    this.#pinned.addCode(connection)
  }

  /** These settings are being set by the statement at hand: the session learns from the server to what. */
  watchSettings(connection: BackendConnection, names: readonly string[]): void {
    this.#pinned.addSettings(connection, names)
  }

  /** A statement has succeeded that may have given up what a pin is for. */
  reviewPins(): void {
    this.#pinned.suspectAll()
  }

  /** The servers have said what the session's connections hold. */
  get isProven(): boolean {
    return this.#pinned.isProven
  }

  proven(): Promise<void> {
    return this.#pinned.proven()
  }

  /** DISCARD ALL, outside a block: nothing of the session stays on a connection that others may get. */
  async discardAll(): Promise<void> {
    const pinned = this.#pinned.clear()
    this.cursors.closeAll()
    for (const connection of pinned) {
      await discard(connection)
      this.#release(connection)
    }
  }

  /** The client is gone: a commit under way is waited for, an open block rolled back, all connections are given back clean. */
  async close(): Promise<void> {
    await this.#ending?.catch(() => undefined)
    if (this.isInBlock) await this.rollback()
    this.#releaseBorrowed()
    await this.#pinned.proven()
    for (const connection of this.#pinned.clear()) {
      this.#lender.taint(connection)
      this.#lender.giveBack(connection)
    }
    this.#lender.leave()
  }

  #open(block: 'implicit' | 'explicit', text: string): void {
    this.#releaseBorrowed()
    this.#block = block
    this.blocks++
    this.openedAtMs = Date.now()
    this.#hasFailed = false
    this.#isLost = false
    this.#opening.begin(text)
    this.consistency.begin()
    this.#followers.begin()
  }

  #close(): void {
    this.#block = 'none'
    this.consistency.end()
    this.#hasFailed = false
    for (const connection of this.#participants.clear()) {
      connection.settings.transactionEnded()
      this.#leave(connection)
    }
    this.#pinned.suspectAll()
    this.#pinned.prove(false)
  }

  #setTemporaryNames({ node }: BackendConnection, names: readonly string[]): void {
    if (node.nodeId !== this.#lender.coordinator.nodeId) return
    this.#options.temporaryNames?.clear()
    for (const name of names) this.#options.temporaryNames?.add(name)
  }

  #fail(): void {
    this.#hasFailed = true
    this.#isLost = this.connections.some((connection) => connection.state === 'closed')
    if (!this.isImplicit && !this.#opening.replay.hasSavepoints) this.#participants.abort()
  }

  #held(nodeId: number, access: Access): BackendConnection | undefined {
    this.#refuseWhenFailed()
    if (this.#block === 'none') return this.#borrowed.get(nodeId)
    const connection = this.#participants.use(nodeId, access === 'write')
    if (connection === undefined) return undefined
    this.#opening.keepUp(connection)
    return connection
  }

  #refuseWhenFailed(): void {
    if (this.#hasFailed) throw failedTransaction()
  }

  #borrow(nodeId: number, connection: BackendConnection): BackendConnection {
    this.#borrowed.set(nodeId, connection)
    return connection
  }

  #join(
    nodeId: number,
    connection: BackendConnection,
    access: Access,
    leads = false,
  ): BackendConnection {
    this.#participants.join(nodeId, connection, access === 'write')
    return this.#opening.join(connection, leads)
  }

  #releaseBorrowed(): void {
    if (this.#borrowed.size === 0) return
    const connections = [...this.#borrowed.values()]
    this.#borrowed.clear()
    for (const connection of connections) this.#leave(connection)
  }

  #release(connection: BackendConnection): void {
    if (!this.connections.includes(connection)) this.#lender.giveBack(connection)
  }

  #leave(connection: BackendConnection): void {
    if (!this.#pinned.keeps(connection)) this.#lender.giveBack(connection)
  }
}
