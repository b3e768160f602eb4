import type { CounterValues } from '../backend/traffic-counters.ts'

/*
 * What one process tells of itself when the console asks. Only what survives JSON: the console may sit in
 * another process. Times are milliseconds since 1970, durations in microseconds.
 */

export type TrafficReport = {
  readonly database: string
  readonly user: string
  readonly total: CounterValues
  /** The totals as they were `windowMicros` ago: what averages are made of. */
  readonly before: CounterValues
  readonly windowMicros: number
}

export type SocketReport = {
  /** Unique over all processes. */
  readonly id: number
  readonly user: string
  readonly database: string
  readonly state: string
  readonly address: string
  readonly port: number
  readonly localAddress: string
  readonly localPort: number
  readonly connectedAtMs: number
  readonly requestedAtMs: number
  readonly waitMicros: number
  readonly isCloseNeeded: boolean
  /** Of the connection at the other side, where there is just one. */
  readonly linkId: number | null
  readonly remotePid: number
  readonly tls: string
  readonly applicationName: string
  readonly preparedStatements: number
}

export type ClientReport = SocketReport & {
  readonly pins: readonly PinReport[]
}

export type ServerReport = SocketReport & {
  readonly nodeId: number
}

export type PinReport = {
  readonly node: string
  readonly reason: string
  readonly sinceMs: number
}

/** Connections of one user in one database that are being made now. */
export type LoginReport = {
  readonly database: string
  readonly user: string
  readonly connecting: number
}

export type DatabaseReport = {
  readonly name: string
  readonly host: string | null
  readonly port: number
  readonly serverDatabase: string
  readonly forcedUser: string | null
  readonly poolSize: number
  readonly minPoolSize: number
  readonly reservePoolSize: number
  readonly serverLifetimeSeconds: number
  /** null: the default's. */
  readonly poolMode: string | null
  readonly loadBalanceHosts: string | null
  readonly maxConnections: number
  readonly maxClientConnections: number
  readonly isSharded: boolean
}

export type UserReport = {
  readonly name: string
  readonly poolSize: number | null
  readonly reservePoolSize: number | null
  readonly poolMode: string | null
  readonly maxConnections: number
  readonly maxClientConnections: number
}

export type SettingReport = {
  readonly key: string
  readonly value: string
  readonly default: string
  readonly isChangeable: boolean
}

export type PreparedReport = {
  readonly user: string
  readonly database: string
  readonly clientId: number
  readonly name: string
  readonly text: string
}

export type MemoryReport = {
  readonly name: string
  readonly size: number
  readonly used: number
  readonly free: number
}

/** paused and suspended: the whole proxy is. */
export type GateReport = {
  readonly mode: 'active' | 'paused' | 'suspended'
  readonly paused: readonly string[]
  readonly disabled: readonly string[]
}
