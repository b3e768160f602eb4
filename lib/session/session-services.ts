import type { Authenticator } from '../auth/authenticator.ts'
import type { HeldCredentials } from '../auth/held-credentials.ts'
import type { Pools } from '../backend/pools.ts'
import type { TrafficTable } from '../backend/traffic-counters.ts'
import type { Log } from '../base/log.ts'
import type { CatalogSource } from '../catalog/catalog.ts'
import type {
  ClusterCommands,
  CommandTag,
  Execution,
  QueryObserver,
  StatementContext,
} from '../executor/ports.ts'
import type { Plan } from '../planner/plan.ts'
import type { ParserHost } from '../sql/parser-host.ts'
import type { FrameLimits } from '../wire/frame-reader.ts'
import type { CancelKeys } from './client/cancel-keys.ts'
import type { ClientCustoms } from './client/client-customs.ts'
import type { Login } from './client/client-handshake.ts'
import type { ClientOutput } from './client/client-output.ts'
import type { ClientSlots } from './client/client-slots.ts'
import type { ClientTls } from './client/client-tls.ts'
import type { MessageInbox } from './message-inbox.ts'
import type { SessionTimers } from './session-timers.ts'

/** executor/executor.ts is one. */
export interface PlanRunner {
  run(plan: Plan, execution: Execution, context: StatementContext): Promise<CommandTag>
}

/** One database that the proxy serves. */
export type DatabaseServices = {
  readonly catalogs: CatalogSource
  readonly commands: ClusterCommands
  readonly executor: PlanRunner
  /** undefined: server connections are made as the client's own user. */
  readonly serverUser?: string | undefined
  /** Commits over nodes that can't prepare are done one after the other, and may be left half-done. */
  readonly allowsOnePhase?: boolean
}

/** Carries out the messages of one client, in order; errors that it throws are fatal. message-processor.ts is one. */
export interface MessageRunner {
  /** false: the messages at the head wait for those that follow. */
  isDue(): boolean
  next(): Promise<void>
}

/** What a session lends to a console client. */
export type ConsoleClient = {
  readonly sessionId: number
  readonly output: ClientOutput
  readonly inbox: MessageInbox
  readonly log: Log
  /** Aborted by a CancelRequest and when the client is gone. */
  signal(): AbortSignal
}

/** Databases that are no databases: console/console.ts is one. */
export interface ConsoleService {
  serves(database: string): boolean
  /** For a client who has proved who it is. Throws, FATAL, where it may not use the console. */
  open(login: Login, client: ConsoleClient): MessageRunner
}

/** What all sessions of a proxy share; made by router.ts. */
export type SessionServices = {
  readonly authenticator: Authenticator
  /** What clients have proved to know while they are here: pools log in with it. */
  readonly credentials: HeldCredentials
  readonly clientTls: ClientTls
  readonly cancelKeys: CancelKeys
  readonly clientSlots: ClientSlots
  readonly parser: ParserHost
  readonly pools: Pools
  readonly log: Log
  readonly limits: FrameLimits
  /** Its values are those of the configuration in force. */
  readonly customs: ClientCustoms
  readonly timers: SessionTimers
  readonly observer: QueryObserver | undefined
  readonly traffic: TrafficTable
  readonly console: ConsoleService | undefined
  /** undefined: there is no such database here. */
  database(name: string): DatabaseServices | undefined
}
