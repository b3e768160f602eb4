import type {
  ClientReport,
  DatabaseReport,
  GateReport,
  LoginReport,
  MemoryReport,
  PreparedReport,
  ServerReport,
  SettingReport,
  TrafficReport,
  UserReport,
} from './reports.ts'

/** What there is to show, of all processes together. */
export interface ProxyView {
  /** A view for one command. */
  forCommand(): ProxyView
  /** Numbers of processes that have not answered so far: what this view has shown lacks theirs. */
  readonly silent: ReadonlySet<number>
  readonly version: string
  /** pool_mode where a database and a user have none of their own. */
  readonly poolMode: string
  traffic(): Promise<readonly TrafficReport[]>
  clients(): Promise<readonly ClientReport[]>
  servers(): Promise<readonly ServerReport[]>
  logins(): Promise<readonly LoginReport[]>
  prepared(): Promise<readonly PreparedReport[]>
  memory(): Promise<readonly MemoryReport[]>
  gates(): Promise<GateReport>
  databases(): readonly DatabaseReport[]
  users(): readonly UserReport[]
  settings(): readonly SettingReport[]
}

export type ShutdownMode = 'immediate' | 'wait_for_servers' | 'wait_for_clients'

/**
 * What can be done, in all processes together. Each throws RouterError where it can't be done. `signal`: the
 * administrator waits no longer. Databases are named as clients name them; undefined: all.
 */
export interface ProxyControl {
  reload(): Promise<void>
  /** false: there is no such setting, it can't be changed while running, or the value isn't one. */
  set(key: string, value: string): Promise<boolean>
  /** Resolves when no server connection of the database is left. */
  pause(database: string | undefined, signal: AbortSignal): Promise<void>
  resume(database: string | undefined): Promise<void>
  /** New clients of the database are refused. */
  setDisabled(database: string, isDisabled: boolean): Promise<void>
  /** Clients and server connections go at once; the database is paused. */
  kill(database: string | undefined): Promise<void>
  /** false: there is no such client. */
  killClient(id: number): Promise<boolean>
  /** Connections that there are now are closed when they are next given back. */
  reconnect(database: string | undefined): Promise<void>
  /** Resolves when those connections are closed. */
  waitClose(database: string | undefined, signal: AbortSignal): Promise<void>
  /** Resolves when nothing is under way any more. */
  suspend(signal: AbortSignal): Promise<void>
  /** Resolves when it has begun. */
  shutdown(mode: ShutdownMode): Promise<void>
}
