import type { BackendAddress } from './backend-address.ts'
import {
  type BackendConnection,
  type ConnectionLimits,
  DEFAULT_CONNECTION_LIMITS,
} from './backend-connection.ts'
import { connectBackend } from './backend-handshake.ts'
import { ConnectGate } from './connect-gate.ts'
import { runConnectQuery } from './connection-care.ts'
import type { ConnectionSlots, SlotLimits, SlotPool } from './connection-slots.ts'
import { LocalSlots } from './local-slots.ts'
import { Pool } from './pool.ts'
import type { PoolFigures, PoolStats } from './pool-figures.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from './pool-options.ts'
import type { ServerCredential } from './server-credential.ts'
import type { ServerTls } from './server-tls.ts'
import { SharedListener } from './shared-listener.ts'

export type PoolsOptions = PoolOptions & {
  readonly connectTimeoutMs: number
  readonly allowsCleartextPassword: boolean
  readonly tls: ServerTls | undefined
  /** Of connections made from now on. */
  readonly connectionLimits: ConnectionLimits
  /** undefined: none is known, the server must trust us. */
  readonly credentialOf: (key: PoolKey) => ServerCredential | undefined
  /** Sent at the start of each connection, for example application_name. */
  readonly parameters: Readonly<Record<string, string>>
  /** Where its connections are made, and how; default: as the key says. Asked for each connection. */
  readonly targetOf?: (key: PoolKey) => ConnectTarget
  /** What differs in this pool; default: nothing. */
  readonly differencesOf?: (key: PoolKey) => Partial<PoolOptions>
  /** undefined: bounds of each pool by itself, in this process. */
  readonly slots?: ConnectionSlots
}

/** What stands behind the names of a pool. */
export type ConnectTarget = {
  readonly node: BackendAddress
  readonly database: string
  /** Goes before what credentialOf says. */
  readonly credential: ServerCredential | undefined
  readonly parameters: Readonly<Record<string, string>>
  /** Run on each new connection; what comes of it is not looked at. */
  readonly connectQuery: string | undefined
  /** A connection could not be made. */
  failed(): void
}

export const DEFAULT_POOLS_OPTIONS: PoolsOptions = {
  ...DEFAULT_POOL_OPTIONS,
  connectTimeoutMs: 15_000,
  allowsCleartextPassword: false,
  tls: undefined,
  connectionLimits: DEFAULT_CONNECTION_LIMITS,
  credentialOf: () => undefined,
  parameters: { application_name: 'pgloom' },
}

const NO_CONNECTS: ConnectCounts = { made: 0, failed: 0 }
/** Under `*` a client may invent names of databases as long as it likes. */
const MAX_COUNTED_DATABASES = 10_000

const TICK_MS = 250
const SWEEP_TICKS = 20
/** Logins at once on one server, of all pools: a server that has just come back is not to be stormed. */
const MAX_PARALLEL_CONNECTS = 16

/** Of connections to servers, since the process started. */
export type ConnectCounts = { readonly made: number; readonly failed: number }

export type PoolKey = {
  readonly node: BackendAddress
  readonly database: string
  readonly user: string
}

/** All pools, made when they are first asked for and forgotten when they stand empty. */
export class Pools {
  #options: PoolsOptions
  readonly #slots: ConnectionSlots
  /** Bounds of our own, where none were given. */
  readonly #ownSlots: LocalSlots | undefined
  readonly #pools = new Map<string, { readonly key: PoolKey; readonly pool: Pool }>()
  readonly #gates = new Map<string, ConnectGate>()
  readonly #listeners = new Map<string, SharedListener>()
  #standing: ReadonlySet<string> = new Set()
  readonly #ticker: NodeJS.Timeout
  #ticks = 0
  #isPausedAll = false
  readonly #pausedDatabases = new Set<string>()
  readonly #connects = new Map<string, { made: number; failed: number }>()

  constructor(options: PoolsOptions) {
    this.#options = options
    if (options.slots === undefined) {
      this.#ownSlots = new LocalSlots(ownLimits(options))
      this.#ownSlots.start()
      this.#slots = this.#ownSlots
    } else this.#slots = options.slots
    this.#ticker = setInterval(() => this.#tick(), TICK_MS)
    this.#ticker.unref()
  }

  /** Don't keep the pool once it is closed; but release to the pool that gave it. */
  get(node: BackendAddress, database: string, user: string): Pool {
    const text = poolName(node, database, user)
    const known = this.#pools.get(text)
    if (known !== undefined) return known.pool
    const { nodeId, host, port } = node
    const key: PoolKey = { node: { nodeId, host, port }, database, user }
    const pool = new Pool(
      this.#poolOptions(key),
      () => this.#connectInTurn(key),
      (holder) => this.#slots.join({ host, port, database, user }, holder),
    )
    if (this.#isPaused(database)) pool.pause()
    this.#pools.set(text, { key, pool })
    return pool
  }

  /** These are there, with their minConnections, whether anyone uses them or not; others no longer. */
  stand(keys: readonly PoolKey[]): void {
    this.#standing = new Set(keys.map(({ node, database, user }) => poolName(node, database, user)))
    for (const { key, pool } of this.#pools.values()) pool.reload(this.#poolOptions(key))
    for (const { node, database, user } of keys) this.get(node, database, user)
  }

  /** Outside of all pools: one connection, while anyone listens. */
  listener(node: BackendAddress, database: string, user: string): SharedListener {
    const text = poolName(node, database, user)
    const known = this.#listeners.get(text)
    if (known !== undefined) return known
    const { nodeId, host, port } = node
    const key: PoolKey = { node: { nodeId, host, port }, database, user }
    const made = new SharedListener(() => this.#connect(key))
    this.#listeners.set(text, made)
    return made
  }

  /** For metrics. */
  stats(): (PoolKey & PoolStats)[] {
    return [...this.#pools.values()].map(({ key, pool }) => ({ ...key, ...pool.stats }))
  }

  /** For SHOW POOLS. */
  figures(): (PoolKey & PoolFigures)[] {
    return [...this.#pools.values()].map(({ key, pool }) => ({ ...key, ...pool.figures() }))
  }

  /** For SHOW SERVERS, PAUSE, RECONNECT, KILL. Don't keep them. */
  list(): (PoolKey & { readonly pool: Pool })[] {
    return [...this.#pools.values()].map(({ key, pool }) => ({ ...key, pool }))
  }

  /** New options (but for `slots`, which stay) hold from now on; nobody is dropped. */
  reload(options: Omit<PoolsOptions, 'slots'>): void {
    this.#options = options
    this.#ownSlots?.reload(ownLimits(options))
    for (const { key, pool } of this.#pools.values()) pool.reload(this.#poolOptions(key))
  }

  /** See Pool.pause. Pools that are made later are paused, too. undefined: all databases. */
  pause(database: string | undefined): void {
    if (database === undefined) this.#isPausedAll = true
    else this.#pausedDatabases.add(database)
    for (const { key, pool } of this.#pools.values()) if (this.#isPaused(key.database)) pool.pause()
  }

  /** One that was paused by its own name stays so when all are resumed. */
  resume(database: string | undefined): void {
    if (database === undefined) this.#isPausedAll = false
    else this.#pausedDatabases.delete(database)
    for (const { key, pool } of this.#pools.values()) {
      if (pool.isPaused && !this.#isPaused(key.database)) pool.resume()
    }
  }

  #isPaused(database: string): boolean {
    return this.#isPausedAll || this.#pausedDatabases.has(database)
  }

  closeAll(): void {
    clearInterval(this.#ticker)
    this.#ownSlots?.stop()
    for (const { pool } of this.#pools.values()) pool.close()
    this.#pools.clear()
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }

  #poolOptions(key: PoolKey): PoolOptions {
    const isStanding = this.#standing.has(poolName(key.node, key.database, key.user))
    return { ...this.#options, isStanding, ...this.#options.differencesOf?.(key) }
  }

  /** Never shrinks: one entry for each database that anybody could log in to. */
  connectCounts(database: string): ConnectCounts {
    return this.#connects.get(database) ?? NO_CONNECTS
  }

  #connectsTo(database: string): { made: number; failed: number } {
    const known = this.#connects.get(database)
    if (known !== undefined) return known
    const counts = { made: 0, failed: 0 }
    if (this.#connects.size < MAX_COUNTED_DATABASES) this.#connects.set(database, counts)
    return counts
  }

  #connectInTurn(key: PoolKey): Promise<BackendConnection> {
    const server = `${key.node.host}\0${key.node.port}`
    const gate = this.#gates.get(server) ?? new ConnectGate(MAX_PARALLEL_CONNECTS)
    this.#gates.set(server, gate)
    return gate.run(() => this.#connect(key))
  }

  async #connect(key: PoolKey): Promise<BackendConnection> {
    const { connectTimeoutMs, allowsCleartextPassword, credentialOf, parameters, tls } =
      this.#options
    const target = this.#options.targetOf?.(key)
    try {
      const connection = await connectBackend({
        user: key.user,
        node: target?.node ?? key.node,
        database: target?.database ?? key.database,
        tls,
        credential: target?.credential ?? credentialOf(key),
        parameters: { ...parameters, ...target?.parameters },
        connectTimeoutMs,
        allowsCleartextPassword,
        limits: this.#options.connectionLimits,
      })
      const query = target?.connectQuery
      if (query !== undefined) await runConnectQuery(connection, query, connectTimeoutMs)
      this.#connectsTo(key.database).made++
      return connection
    } catch (error) {
      this.#connectsTo(key.database).failed++
      target?.failed()
      throw error
    }
  }

  #tick(): void {
    const nowMs = performance.now()
    this.#ticks++
    const isSweep = this.#ticks % SWEEP_TICKS === 0
    for (const [text, { pool }] of this.#pools) {
      if (isSweep) pool.sweep(nowMs)
      if (isSweep && pool.isEmpty) this.#drop(text, pool)
      if (!pool.isClosed) pool.tick(nowMs)
      if (pool.options.closesFast && pool.mode === 'session') closeFast(pool)
    }
    if (!isSweep) return
    for (const [text, listener] of this.#listeners) {
      if (listener.isIdle) this.#listeners.delete(text)
    }
  }

  /** One that is paused stays so. */
  #drop(text: string, pool: Pool): void {
    if (pool.isPaused || pool.options.isStanding) return
    pool.close()
    this.#pools.delete(text)
  }
}

/** server_fast_close: a session doesn't keep what is to be replaced beyond its transaction. */
function closeFast(pool: Pool): void {
  for (const { connection, use, isCloseNeeded } of pool.connections()) {
    if (use === 'active' && isCloseNeeded && connection.isReusable) connection.close()
  }
}

/** The bounds of each pool by itself. */
function ownLimits({
  maxConnections,
  reserveConnections,
  differencesOf,
}: PoolsOptions): SlotLimits {
  const of = ({ host, port, database, user }: SlotPool) => {
    const differences = differencesOf?.({ node: { nodeId: 0, host, port }, database, user })
    return { maxConnections, reserveConnections, ...differences }
  }
  return {
    poolSize: (pool) => of(pool).maxConnections,
    reserveSize: (pool) => of(pool).reserveConnections,
    maxDatabaseConnections: () => 0,
    maxUserConnections: () => 0,
  }
}

function poolName(node: BackendAddress, database: string, user: string): string {
  return `${node.nodeId}\0${node.host}\0${node.port}\0${database}\0${user}`
}
