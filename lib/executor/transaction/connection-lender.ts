import type { BackendConnection } from '../../backend/backend-connection.ts'
import { Borrower } from '../../backend/borrower.ts'
import type { Pool } from '../../backend/pool.ts'
import type { PoolMode } from '../../backend/pool-options.ts'
import type { Pools } from '../../backend/pools.ts'
import {
  NO_SETTINGS,
  type SessionSettings,
  type Settings,
  steadySettings,
} from '../../backend/session-state.ts'
import type { TrafficCounters } from '../../backend/traffic-counters.ts'
import type { ConnectionAwaiter } from '../../backend/wait-queue.ts'
import { nowMs } from '../../base/clock.ts'
import { asRouterError, RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Catalog, CatalogSource, ClusterNode } from '../../catalog/catalog.ts'
import { query } from '../node-client.ts'

export type LenderOptions = {
  readonly pools: Pools
  readonly catalog: CatalogSource
  readonly database: string
  readonly user: string
  /** What the connections must hold. */
  readonly settings: SessionSettings
  readonly counters: TrafficCounters
}

/**
 * Borrows connections for one session and remembers where each goes back to. In session mode what comes back is kept for the
 * session's next statement, until it leaves.
 */
export class ConnectionLender {
  readonly #options: LenderOptions
  readonly #tainted = new Set<BackendConnection>()
  readonly #borrower = new Borrower()
  readonly #kept: BackendConnection[] = []
  #waitingSinceMs = 0
  /** By node id, of #poolsOf. */
  readonly #pools: (Pool | undefined)[] = []
  #poolsOf: Catalog | undefined

  constructor(options: LenderOptions) {
    this.#options = options
  }

  /** An idle one, preferably in step already, if `isInStep` no other; undefined when there is none. */
  acquireNow(nodeId: number, isInStep = false): BackendConnection | undefined {
    const kept = this.#takeKept(nodeId)
    if (kept !== undefined) return kept
    const { counters, settings } = this.#options
    const connection = this.#pool(nodeId).acquireNow(settings.session, this.#borrower, isInStep)
    if (connection !== undefined) counters.serverAssignments++
    return connection
  }

  /** Since when the session waits for a connection, in milliseconds of performance.now(); 0: it doesn't. */
  get waitingSinceMs(): number {
    return this.#waitingSinceMs
  }

  /** Waits in turn, and is timed. */
  async acquire(nodeId: number, signal?: AbortSignal): Promise<BackendConnection> {
    const kept = this.#takeKept(nodeId)
    if (kept !== undefined) return kept
    const { counters, settings } = this.#options
    const startedMs = nowMs()
    this.#waitingSinceMs = startedMs
    try {
      const pool = this.#pool(nodeId)
      const connection = await pool.acquire(signal, settings.session, this.#borrower)
      counters.serverAssignments++
      return connection
    } finally {
      this.#waitingSinceMs = 0
      counters.waitMicros += (nowMs() - startedMs) * 1000
    }
  }

  /** As acquire, without a promise. Returns how to withdraw (false: too late); undefined: acquire() says why it can't be had. */
  enqueue(nodeId: number, awaiter: ConnectionAwaiter): (() => boolean) | undefined {
    const { counters, settings } = this.#options
    const startedMs = nowMs()
    const settled = () => {
      this.#waitingSinceMs = 0
      counters.waitMicros += (nowMs() - startedMs) * 1000
    }
    this.#waitingSinceMs = startedMs
    const timed: ConnectionAwaiter = {
      served: (connection) => {
        settled()
        counters.serverAssignments++
        awaiter.served(connection)
      },
      refused: (error) => {
        settled()
        awaiter.refused(error)
      },
    }
    const pool = this.#pool(nodeId)
    const waiter = pool.enqueue(timed, settings.session, this.#borrower)
    if (waiter === undefined) {
      this.#waitingSinceMs = 0
      return undefined
    }
    return () => {
      const isWithdrawn = pool.withdraw(waiter)
      if (isWithdrawn) settled()
      return isWithdrawn
    }
  }

  /** Code of the user's runs on it: what that leaves behind is nobody else's. */
  taint(connection: BackendConnection): void {
    this.#tainted.add(connection)
  }

  giveBack(connection: BackendConnection): void {
    const pool = this.#borrower.poolOf(connection)
    if (pool?.mode === 'session' && connection.isReusable) this.#kept.push(connection)
    else pool?.release(connection, this.#tainted.delete(connection))
  }

  /** The session is over. */
  leave(): void {
    for (const connection of this.#kept.splice(0)) {
      this.#borrower.poolOf(connection)?.release(connection, this.#tainted.delete(connection))
    }
  }

  #takeKept(nodeId: number): BackendConnection | undefined {
    for (let index = 0; index < this.#kept.length; index++) {
      const connection = this.#kept[index]
      if (connection?.node.nodeId !== nodeId) continue
      this.#kept.splice(index, 1)
      if (connection.isReusable) return connection
      index--
    }
    return undefined
  }

  isInStep(connection: BackendConnection): boolean {
    return connection.settings.syncText(this.#options.settings.session, false) === ''
  }

  /** Outside a transaction the session's settings must hold before anything runs. Closes the connection if they can't. */
  bringInStep(connection: BackendConnection): Promise<void> {
    return synchronise(connection, this.#options.settings.session)
  }

  /** As bringInStep, with what SET LOCAL says in the client's transaction. */
  bringInForce(connection: BackendConnection): Promise<void> {
    return synchronise(connection, this.#options.settings.effective)
  }

  /** At once if they hold already. */
  whenInStep(connection: BackendConnection, awaiter: ConnectionAwaiter): void {
    if (this.isInStep(connection)) {
      awaiter.served(connection)
      return
    }
    this.bringInStep(connection).then(
      () => awaiter.served(connection),
      (error: unknown) => awaiter.refused(asRouterError(error)),
    )
  }

  /** For what we do ourselves: with the server's own settings, not with a client's role or time-outs. */
  async acquirePlain(nodeId: number): Promise<BackendConnection> {
    const connection = await this.acquire(nodeId)
    try {
      await this.makePlain(connection)
    } catch (error) {
      this.giveBack(connection)
      throw error
    }
    return connection
  }

  makePlain(connection: BackendConnection): Promise<void> {
    return synchronise(connection, NO_SETTINGS)
  }

  /** For what is the client's, but decided. */
  makeSteady(connection: BackendConnection): Promise<void> {
    return synchronise(connection, steadySettings(this.#options.settings.session))
  }

  get mode(): PoolMode {
    return this.#pool(this.coordinator.nodeId).mode
  }

  get coordinator(): ClusterNode {
    const [coordinator] = this.#options.catalog.current().nodes
    if (coordinator === undefined) throw new Error('a catalog always has a coordinator')
    return coordinator
  }

  #pool(nodeId: number): Pool {
    const catalog = this.#options.catalog.current()
    if (catalog !== this.#poolsOf) {
      this.#pools.length = 0
      this.#poolsOf = catalog
    }
    const known = this.#pools[nodeId]
    if (known !== undefined && !known.isClosed) return known
    const pool = this.#find(catalog, nodeId)
    this.#pools[nodeId] = pool
    return pool
  }

  #find(catalog: Catalog, nodeId: number): Pool {
    const node = catalog.nodes.find((one) => one.nodeId === nodeId)
    if (node === undefined) {
      throw new RouterError(
        SqlState.connectionDoesNotExist,
        `node ${nodeId} is no longer part of the cluster`,
        { hint: 'Retry the statement.' },
      )
    }
    return this.#options.pools.get(node, this.#options.database, this.#options.user)
  }
}

/** Closes the connection if it can't hold them. */
export async function synchronise(connection: BackendConnection, wanted: Settings): Promise<void> {
  const text = connection.settings.syncText(wanted, false)
  if (text === '') return
  try {
    await query(connection, text)
    connection.settings.synced(wanted, false)
  } catch (error) {
    connection.close()
    throw error
  }
}

/** A connection that can't be cleaned isn't given to anyone. */
export async function discard(connection: BackendConnection): Promise<void> {
  await query(connection, 'DISCARD ALL').catch(() => connection.close())
  connection.settings.discarded()
  connection.prepared.clear()
}
