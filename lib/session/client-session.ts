import type { BackendConnection } from '../backend/backend-connection.ts'
import type { ServerCredential } from '../backend/server-credential.ts'
import { TrafficCounters } from '../backend/traffic-counters.ts'
import { asRouterError, ProtocolError, RouterError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Pin } from '../executor/transaction/session-pins.ts'
import { writeError } from '../wire/error-messages.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import type { CancelRequest } from '../wire/startup-packets.ts'
import type { Cancellable } from './client/cancel-keys.ts'
import { greet } from './client/client-customs.ts'
import { ClientEncryption } from './client/client-encryption.ts'
import {
  ClientHandshake,
  type HandshakeListener,
  type Login,
  type Peer,
} from './client/client-handshake.ts'
import { ClientLog } from './client/client-log.ts'
import { ClientOutput } from './client/client-output.ts'
import { tooManyClients } from './client/client-slots.ts'
import type { ClientSocket, ClientSocketOwner } from './client/client-socket.ts'
import { CopyInbox } from './copy-inbox.ts'
import { CopyRouting } from './copy-routing.ts'
import type { PreparedStatement } from './extended/prepared-statements.ts'
import { FastPath, type FastPathOwner } from './fast/fast-path.ts'
import { MessageInbox } from './message-inbox.ts'
import { MessageProcessor } from './message-processor.ts'
import { ParameterReports } from './parameter-reports.ts'
import { closeParts, databaseOf, makeParts, openOnCoordinator } from './session-opening.ts'
import type { SessionParts } from './session-parts.ts'
import { reportSession, type SessionReport } from './session-report.ts'
import type { SessionServers } from './session-servers.ts'
import type { ConsoleService, MessageRunner, SessionServices } from './session-services.ts'
import type { Activity, TimedSession } from './session-timers.ts'
import { cancelled, StatementAbort, terminated } from './statement-abort.ts'
import { asFatal } from './statement-guards.ts'
import { StatementRelay } from './statement-relay.ts'

/** startup -> opening -> ready -> closed; closed from anywhere. */
type Phase = 'startup' | 'opening' | 'ready' | 'closed'

const KNOWN_MESSAGES: ReadonlySet<number> = new Set(Object.values(Frontend))

/**
 * One client: its socket, and what it is allowed to send when. Owns everything of the session; ends it all when
 * the socket closes. Statements are carried out by MessageProcessor, one at a time, in order.
 */
export class ClientSession
  implements Cancellable, HandshakeListener, ClientSocketOwner, FastPathOwner, TimedSession
{
  readonly id: number
  readonly closed: Promise<void>
  readonly #socket: ClientSocket
  readonly #services: SessionServices
  readonly #log: Log
  readonly #clientLog: ClientLog
  readonly #reader: FrameReader
  readonly #output: ClientOutput
  readonly #inbox = new MessageInbox()
  readonly #relay: StatementRelay
  readonly #copy: CopyRouting
  readonly #handshake: ClientHandshake
  readonly #encryption: ClientEncryption
  readonly #connectedAtMs = Date.now()
  statementNumber = 0
  /** Of a client that holds a slot. */
  login: Login | undefined
  #phase: Phase = 'startup'
  /** Nobody's until the client has logged in. */
  #counters = new TrafficCounters()
  #parts: SessionParts | undefined
  #servers: SessionServers | undefined
  #processor: MessageRunner | undefined
  #fast: FastPath | undefined
  #login: Login | undefined
  #reports: ParameterReports | undefined
  #isBusy = false
  /** The next message waits until the client has read enough of the last answers. */
  #awaitsDrain = false
  #isDraining = false
  #hasEnded = false
  #processId = 0
  readonly #abort = new StatementAbort()
  /** Of what it has proved to know. */
  #letGo: (() => void) | undefined
  #resolveClosed: () => void = () => undefined

  constructor(socket: ClientSocket, id: number, services: SessionServices) {
    this.id = id
    this.#socket = socket
    this.#services = services
    this.#log = services.log.with({ session: id })
    this.#clientLog = new ClientLog(this.#log, services.customs, socket)
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    const copyInbox = new CopyInbox({
      pauseReading: () => socket.pause(),
      resumeReading: () => socket.resume(),
      copyStarted: () => this.#copy.drain(this.#inbox),
    })
    this.#output = new ClientOutput(socket, id, copyInbox)
    this.#relay = new StatementRelay(this.#output, {
      parameterStatus: (name, value) => this.#reports?.note(name, value),
      notification: (chunk, start, end) => this.#output.write(chunk, start, end),
      copyInStarted: (connection) => this.#relayCopy(connection),
      cancelReason: () => this.#abort.reason,
    })
    this.#copy = new CopyRouting(socket, copyInbox, this.#relay)
    this.#encryption = new ClientEncryption(socket, services.clientTls, this.#log)
    this.#handshake = new ClientHandshake(this.#output, services.authenticator, this)
    const receive = this.#receive.bind(this)
    this.#reader = new FrameReader(services.limits, receive, this.#copy)
    services.timers.watch(this)
    void this.closed.then(() => services.timers.unwatch(this))
    socket.attach(this)
  }

  /** Why it keeps server connections. */
  get pins(): readonly Pin[] {
    return this.#parts?.transaction.pins ?? []
  }

  /** As it is now. */
  report(): SessionReport {
    return reportSession({
      id: this.id,
      socket: this.#socket,
      isBusy: this.#isBusy,
      connectedAtMs: this.#connectedAtMs,
      login: this.#login,
      parts: this.#parts,
    })
  }

  /** What the client has prepared: names and texts. */
  prepared(): readonly PreparedStatement[] {
    return this.#parts?.prepared.all() ?? []
  }

  /** Aborts the statement at hand, if any. */
  cancel(): void {
    if (this.#isBusy) this.#abortStatement(cancelled('canceling statement due to user request'))
  }

  // -- time limits ----------------------------------------------------------------------------------------------

  get activity(): Activity {
    if (this.#isClosed) return 'leaving'
    if (this.#phase !== 'ready') return 'logging in'
    if (this.#isBusy) return 'running'
    return this.blockNumber > 0 ? 'idle in transaction' : 'idle'
  }

  get blockNumber(): number {
    const transaction = this.#parts?.transaction
    return transaction?.isInBlock === true ? transaction.blocks : 0
  }

  get servers(): SessionServers | undefined {
    return this.#servers
  }

  /** Refuses the client, whatever it was about to say; an ERROR only what it says now. */
  refuse(error: RouterError): void {
    if (error.severity === 'FATAL') this.#fatal(error)
    else this.#abortStatement(error)
  }

  /** No new statement; the session ends when it stands outside a transaction, at the latest with end(). */
  drain(): void {
    this.#isDraining = true
    this.#endIfDrained()
  }

  end(): void {
    this.#fatal(terminated())
  }

  // -- socket ---------------------------------------------------------------------------------------------------

  received(chunk: Buffer, length: number): void {
    if (this.#phase === 'closed') return
    this.#counters.bytesReceived += length
    try {
      if (this.#encryption.takes(chunk, length)) return
      const taken = this.#takesFast(chunk, length)
      if (taken === length) return
      this.#reader.push(chunk, taken, length)
      this.#encryption.chunkRead(this.#reader.pendingBytes)
    } catch (error) {
      this.#fatal(this.#shown(error))
    }
  }

  drained(): void {
    this.#output.drained()
  }

  /** The client has said all it has to say. What it said before a Terminate is still carried out. */
  ended(): void {
    this.#hasEnded = true
    const isPolite = this.#inbox.peek(this.#inbox.length - 1)?.type === Frontend.terminate
    if (!isPolite || !this.#isBusy) this.#socket.destroy()
  }

  disconnected(): void {
    this.#output.closed()
    this.#close()
  }

  #receive(type: number, chunk: Buffer, start: number, end: number): void {
    if (this.#phase === 'closed') return
    if (this.#phase === 'startup') {
      this.#encryption.checkMessage()
      this.#handshake.receive(type, chunk.subarray(start, end))
      return
    }
    if (!KNOWN_MESSAGES.has(type) || type === Frontend.password) {
      throw new ProtocolError(`invalid frontend message type ${type}`)
    }
    if (this.#copy.isActive && this.#inbox.length === 0) {
      this.#copy.receive(type, chunk, start, end)
      return
    }
    this.#inbox.push(type, chunk.subarray(start, end))
    if (this.#copy.isActive) this.#copy.drain(this.#inbox)
    this.#pump()
    if (this.#inbox.isFull) this.#socket.pause()
  }

  /** Returns how much of the chunk is taken already. */
  #takesFast(chunk: Buffer, length: number): number {
    const fast = this.#fast
    const isNext = !this.#isBusy && this.#reader.isEmpty && this.#inbox.length === 0
    if (fast === undefined || !isNext || this.#phase !== 'ready') return 0
    this.statementNumber++
    const taken = fast.takes(chunk, length)
    if (taken > 0) this.#isBusy = fast.isUnderWay
    return taken
  }

  fastEnded(fault?: { readonly error: unknown }, again?: Buffer): void {
    if (fault === undefined && again === undefined && this.#isCalm()) {
      this.#isBusy = false
      return
    }
    if (fault !== undefined) this.#failed(fault.error)
    if (again !== undefined && !this.#isClosed) this.#inbox.putBack(again)
    this.#idle()
  }

  /** #idle() would do nothing: the client waits for this answer, and nobody wants anything else of the session. */
  #isCalm(): boolean {
    const isOpen = this.#phase === 'ready' && !this.#hasEnded && !this.#isDraining
    const isUnused = this.#abort.isUnused && !this.#copy.isActive
    return isOpen && isUnused && this.#inbox.length === 0 && !this.#socket.isPaused
  }

  /** One chunk may bring thousands of messages: reading goes on only when there is room for them. */
  #resumeReading(): void {
    if (!this.#inbox.isFull) this.#socket.resume()
  }

  // -- startup --------------------------------------------------------------------------------------------------

  peer(): Peer {
    return this.#encryption.peer()
  }

  encryptionRequested(kind: 'ssl' | 'gss'): void {
    this.#encryption.requested(kind)
  }

  startupReceived(): void {
    this.#reader.expectMessages()
  }

  cancelRequested({ processId, secretKey }: CancelRequest): void {
    this.#services.cancelKeys.cancel(processId, secretKey)
    this.#socket.end()
  }

  hold(): void {
    this.#reader.pause()
    this.#socket.pause()
  }

  release(): void {
    if (this.#isClosed) return
    this.#socket.resume()
    this.#reader.resume()
  }

  refused(error: unknown): void {
    this.#fatal(this.#shown(error))
  }

  authenticated(login: Login, credential: ServerCredential | undefined): void {
    if (this.#isClosed) return
    this.#phase = 'opening'
    if (credential !== undefined) {
      const { credentials } = this.#services
      this.#letGo = credentials.hold(login.database, login.user, credential)
    }
    this.#reader.liftStartupLimit()
    this.#run(() => this.#open(login))
  }

  async #open(login: Login): Promise<void> {
    const services = this.#services
    this.#login = login
    if (services.console?.serves(login.database) === true) {
      this.#openConsole(services.console, login)
      return
    }
    const limit = await services.clientSlots.take(login)
    if (limit !== undefined) throw tooManyClients(limit)
    this.login = login
    this.#counters = services.traffic.continued(login, this.#counters)
    this.#output.counters = this.#counters
    const parts = makeParts(services, databaseOf(services, login.database), login, {
      sessionId: this.id,
      socket: this.#socket,
      output: this.#output,
      relay: this.#relay,
      counters: this.#counters,
      signal: () => this.#abort.signal,
      isIdle: () => !this.#isBusy,
      fail: (error) => this.#fatal(error),
      track: (context) => this.#abort.track(context),
    })
    this.#parts = parts
    this.#servers = parts.servers
    const parameters = await openOnCoordinator(parts)
    if (this.#isClosed) return
    const reports = new ParameterReports(this.#output, parts.settings, parameters)
    this.#reports = reports
    const processor = new MessageProcessor(parts, this.#inbox, reports)
    this.#processor = processor
    this.#fast = new FastPath(parts, processor, this)
    this.#counters.clientLogins++
    this.#welcome()
  }

  #openConsole(console: ConsoleService, login: Login): void {
    this.#processor = console.open(login, {
      sessionId: this.id,
      output: this.#output,
      inbox: this.#inbox,
      log: this.#log,
      signal: () => this.#abort.signal,
    })
    this.#welcome()
  }

  #welcome(): void {
    const { frames } = this.#output
    const key = this.#services.cancelKeys.register(this)
    this.#processId = key.processId
    this.#clientLog.welcomed(this.#login)
    greet(frames, this.#services.customs, key)
    this.#phase = 'ready'
  }

  // -- statements -----------------------------------------------------------------------------------------------

  /** Starts the next message that is due, if nothing runs. */
  #pump(): void {
    while (!this.#isBusy && this.#phase === 'ready') {
      const message = this.#inbox.peek()
      if (message === undefined || !this.#processor?.isDue()) return
      if (message.type === Frontend.terminate) {
        this.#output.end()
        this.#close()
        return
      }
      if (this.#output.isCongested) {
        this.#pumpWhenDrained()
        return
      }
      this.#run(async () => this.#processor?.next())
    }
  }

  /** A client that sends statements but reads no answers is made to wait, as a server's full socket would. */
  #pumpWhenDrained(): void {
    if (this.#awaitsDrain) return
    this.#awaitsDrain = true
    this.#output.whenDrained(() => {
      this.#awaitsDrain = false
      if (this.#socket.isDestroyed) return
      this.#pump()
      this.#resumeReading()
    })
  }

  #run(work: () => Promise<void>): void {
    this.#isBusy = true
    this.statementNumber++
    work()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#idle())
  }

  /** What the processor could not answer: the session is over. */
  #failed(error: unknown): void {
    this.#fatal(this.#shown(error))
  }

  #idle(): void {
    this.#isBusy = false
    this.#abort.reset()
    if (this.#isClosed) {
      this.#release()
      return
    }
    this.#copy.end()
    this.#pump()
    if (this.#hasEnded && !this.#isBusy && !this.#awaitsDrain) this.#socket.destroy()
    else this.#resumeReading()
    this.#endIfDrained()
  }

  get #isClosed(): boolean {
    return this.#phase === 'closed'
  }

  #abortStatement(reason: RouterError): void {
    this.#abort.abort(reason)
    if (this.#fast?.cancel(reason) === true) return
    for (const connection of this.#parts?.transaction.cancellable ?? []) void connection.cancel()
  }

  #relayCopy(connection: BackendConnection): void {
    try {
      this.#copy.start(connection)
      this.#copy.drain(this.#inbox)
    } catch (error) {
      // the client's fault is not the server connection's, whose callback this is
      this.#fatal(this.#shown(error))
    }
  }

  // -- end ------------------------------------------------------------------------------------------------------

  #shown(error: unknown): RouterError {
    const shown = asRouterError(error)
    if (shown !== error) this.#log.error('internal error', { error })
    return shown
  }

  #endIfDrained(): void {
    const status = this.#parts?.transaction.status ?? TransactionStatus.idle
    if (this.#isDraining && !this.#isBusy && status === TransactionStatus.idle) this.end()
  }

  #fatal(error: RouterError): void {
    if (this.#isClosed) return
    this.#clientLog.refused(error, this.#handshake.claimed)
    if (this.#encryption.isSecuring) {
      // nothing that we could say is part of a TLS handshake
      this.#socket.destroy()
      this.#close()
      return
    }
    const fatal = asFatal(error)
    this.#services.observer?.queryFailed(fatal.sqlState)
    writeError(this.#output.frames, fatal)
    this.#output.end()
    // whoever doesn't read our last words must not keep the socket
    setTimeout(() => this.#socket.destroy(), 1000).unref()
    this.#close()
  }

  #close(): void {
    if (this.#isClosed) return
    this.#phase = 'closed'
    this.#clientLog.left()
    this.#services.cancelKeys.unregister(this.#processId)
    this.#inbox.clear()
    this.#copy.abort(new RouterError(SqlState.connectionFailure, 'the client is gone'))
    if (this.#isBusy) this.#abortStatement(cancelled('the client is gone'))
    else this.#release()
  }

  /** Rolls back and gives the connections back; nothing runs any more. */
  #release(): void {
    if (this.login !== undefined) this.#services.clientSlots.give(this.login)
    this.login = undefined
    const parts = this.#parts
    this.#parts = undefined
    this.#letGo?.()
    this.#letGo = undefined
    void closeParts(parts).then(() => this.#resolveClosed())
  }
}
