import type { Protocol } from './pgbench.ts'

/** One way to the same Postgres: what is compared. */
export type System = {
  readonly name: string
  readonly port: number
  /** The process whose tree's CPU and memory are the proxy's; undefined for direct connections. */
  readonly pid: number | undefined
  /** What it is exactly, for the report. */
  readonly version: string
  /** Why it can't do the protocol, where it can't. */
  refuses(protocol: Protocol): string | undefined
  stop(): Promise<void>
}

export type ServerAddress = { readonly host: string; readonly port: number }
/** How proxies reach their servers. */
export type ServerTransport = 'unix' | 'tcp'

export const BENCH_USER = 'app'
export const BENCH_DATABASE = 'app'
/** Server connections that a proxy may have. */
export const POOL_SIZE = 16
export const MAX_CLIENTS = 8000

/** Postgres itself, without anything in between. */
export function directSystem(server: ServerAddress, version: string): System {
  return {
    name: 'direct',
    port: server.port,
    pid: undefined,
    version,
    refuses: () => undefined,
    stop: () => Promise.resolve(),
  }
}
