import type { BackendConnection } from '../backend/backend-connection.ts'
import type { ConnectionUse } from '../backend/pool-figures.ts'
import type { PoolKey, Pools } from '../backend/pools.ts'
import type { ClientSession } from '../session/client-session.ts'
import type { SessionReport } from '../session/session-report.ts'
import type {
  ClientReport,
  LoginReport,
  MemoryReport,
  PreparedReport,
  ServerReport,
} from './reports.ts'

const MICROS_PER_MS = 1000
/** Of a prepared statement's text. */
const MAX_SHOWN_TEXT = 1000

/** Clients are numbered by each process; so many numbers are apart that their processes' numbers fit between. */
const PROCESS_NUMBERS = 1000

export type ProcessIdentity = {
  readonly processNumber: number
  readonly isAlone: boolean
}

export type ProcessSources = {
  readonly pools: Pick<Pools, 'list'>
  readonly sessions: () => readonly ClientSession[]
}

type LinkedServer = { readonly id: number; readonly requestedAtMs: number; readonly tag: string }

/** What one process has to tell of its clients and server connections. */
export class ProcessReports {
  readonly #identity: ProcessIdentity
  readonly #sources: ProcessSources
  readonly #serverIds = new WeakMap<BackendConnection, number>()
  #lastServerId = 0

  constructor(identity: ProcessIdentity, sources: ProcessSources) {
    this.#identity = identity
    this.#sources = sources
  }

  clients(): ClientReport[] {
    const { pools, sessions } = this.#sources
    const nodes = new Map(pools.list().map(({ node }) => [node.nodeId, nodeName(node)]))
    return sessions().map((session) => this.#client(session.report(), nodes))
  }

  servers(): ServerReport[] {
    const { pools, sessions } = this.#sources
    const links = this.#links(sessions())
    return pools
      .list()
      .flatMap((entry) => entry.pool.connections().map((use) => this.#server(entry, use, links)))
  }

  logins(): LoginReport[] {
    return this.#sources.pools
      .list()
      .map(({ database, user, pool }) => ({ database, user, connecting: pool.stats.connecting }))
      .filter(({ connecting }) => connecting > 0)
  }

  prepared(): PreparedReport[] {
    return this.#sources.sessions().flatMap((session) => {
      const { id, user, database } = session.report()
      return session.prepared().map(({ name, text }) => ({
        user,
        database,
        clientId: this.shownId(id),
        name,
        text: text.toString('utf8', 0, MAX_SHOWN_TEXT),
      }))
    })
  }

  memory(): MemoryReport[] {
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
    return [
      { name: 'heap', size: 1, used: heapUsed, free: heapTotal - heapUsed },
      { name: 'external', size: 1, used: external, free: 0 },
      { name: 'array_buffers', size: 1, used: arrayBuffers, free: 0 },
      { name: 'rss', size: 1, used: rss, free: 0 },
    ]
  }

  /** The number that administrators see and name. */
  shownId(id: number): number {
    const { isAlone, processNumber } = this.#identity
    return isAlone ? id : id * PROCESS_NUMBERS + processNumber
  }

  /** undefined: another process'. */
  ownId(shownId: number): number | undefined {
    const { isAlone, processNumber } = this.#identity
    if (isAlone) return shownId
    if (shownId % PROCESS_NUMBERS !== processNumber) return undefined
    return Math.floor(shownId / PROCESS_NUMBERS)
  }

  #client(session: SessionReport, nodes: ReadonlyMap<number, string>): ClientReport {
    const { connections, pins, waitMs, isBusy: _, ...rest } = session
    const [only, ...others] = connections
    return {
      ...rest,
      id: this.shownId(session.id),
      waitMicros: Math.round(waitMs * MICROS_PER_MS),
      isCloseNeeded: false,
      linkId: only === undefined || others.length > 0 ? null : this.#serverId(only),
      remotePid: 0,
      pins: pins.map(({ nodeId, reason, since }) => ({
        node: nodes.get(nodeId) ?? String(nodeId),
        reason,
        sinceMs: since.getTime(),
      })),
    }
  }

  #links(sessions: readonly ClientSession[]): ReadonlyMap<BackendConnection, LinkedServer> {
    const links = new Map<BackendConnection, LinkedServer>()
    for (const session of sessions) {
      const { id, requestedAtMs, connections, applicationName: tag } = session.report()
      for (const connection of connections) {
        links.set(connection, { id: this.shownId(id), requestedAtMs, tag })
      }
    }
    return links
  }

  #server(
    { node, database, user }: PoolKey,
    { connection, use, isCloseNeeded }: ConnectionUse,
    links: ReadonlyMap<BackendConnection, LinkedServer>,
  ): ServerReport {
    const link = links.get(connection)
    const isCanceled = use === 'tested' && connection.hasCancelInFlight
    return {
      id: this.#serverId(connection),
      user,
      database,
      state: isCanceled ? 'being_canceled' : use,
      address: node.host.startsWith('/') ? 'unix' : node.host,
      port: node.port,
      localAddress: connection.localAddress ?? 'unix',
      localPort: connection.localPort ?? 0,
      connectedAtMs: connection.createdAtMs,
      requestedAtMs: link?.requestedAtMs ?? connection.createdAtMs,
      waitMicros: 0,
      isCloseNeeded,
      linkId: link?.id ?? null,
      remotePid: connection.processId,
      tls: connection.tlsName,
      applicationName: link?.tag ?? '',
      preparedStatements: connection.prepared.size,
      nodeId: node.nodeId,
    }
  }

  #serverId(connection: BackendConnection): number {
    const known = this.#serverIds.get(connection)
    if (known !== undefined) return known
    const id = this.shownId(++this.#lastServerId)
    this.#serverIds.set(connection, id)
    return id
  }
}

function nodeName({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`
}
