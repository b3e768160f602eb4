import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Pools } from '../backend/pools.ts'
import { NO_SETTINGS } from '../backend/session-state.ts'
import { RouterError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CatalogSource, ClusterNode } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { LockWaiter, LockWaitObserver } from '../executor/transaction/lock-waiter.ts'
import { GID_PREFIX } from '../executor/transaction/two-phase-commit.ts'
import {
  type Cycle,
  victimOf,
  type WaitEdge,
  WaitGraph,
  type WaitingTransaction,
} from './wait-graph.ts'

export type DeadlockDetectorOptions = {
  readonly pools: Pools
  readonly catalog: CatalogSource
  readonly database: string
  /** Owns the metadata. */
  readonly user: string
  readonly log: Log
}

/** Postgres' own default; the coordinator's is read with the first round. */
const DEADLOCK_TIMEOUT_MS = 1000
const ROUND_MS = 200
/** Sessions are swept more often than that: who isn't told of any more has gone on. */
const FORGET_MS = 500

const PUBLISH = `
WITH gone AS (DELETE FROM pgloom.pg_dist_lock_waiter
    WHERE seen_at < pg_catalog.now() - interval '10 s' OR (proxy = $1 AND NOT key = ANY ($2::text[]))),
  mine AS (INSERT INTO pgloom.pg_dist_lock_waiter (proxy, key, started_at_ms, backends)
    SELECT $1, * FROM unnest($2::text[], $3::float8[], $4::text[])
    ON CONFLICT (proxy, key) DO UPDATE SET backends = excluded.backends, seen_at = pg_catalog.now())
SELECT key, started_at_ms, backends, (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout')
FROM pgloom.pg_dist_lock_waiter WHERE proxy <> $1 AND seen_at > pg_catalog.now() - interval '2 s'
UNION ALL SELECT NULL, NULL, NULL, (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout')`

/** Besides processes, prepared parts of our own transactions whose row locks are waited for: of them pg_blocking_pids says 0. */
const WAITS = `
SELECT pid, coalesce(extract(epoch FROM since)::text, ''), pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(pid), ','), (
  SELECT pg_catalog.string_agg(DISTINCT p.gid, ',') FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_locks h ON h.pid IS NULL AND h.granted AND h.locktype = 'transactionid' AND h.transactionid = l.transactionid
  JOIN pg_catalog.pg_locks o ON o.pid IS NULL AND o.locktype = 'transactionid' AND o.virtualtransaction = h.virtualtransaction
  JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = o.transactionid
  WHERE l.pid = w.pid AND NOT l.granted AND l.locktype = 'transactionid' AND p.gid ~ '^${GID_PREFIX}_[0-9a-f_]+$')
FROM (SELECT pid, min(waitstart) AS since FROM pg_catalog.pg_locks WHERE NOT granted AND pid IS NOT NULL GROUP BY pid) w`

/**
 * Deadlocks that no server can see, since they go over several. In such a circle every transaction waits, so each proxy has
 * to publish only those of its own that have been running a statement for longer than deadlock_timeout, and asks the
 * servers who waits for whom only while it has some. All proxies see the same circle and choose the same victim; the one
 * whose session it is refuses the statement. Nothing is done for transactions that don't wait.
 */
export class DeadlockDetector implements LockWaitObserver {
  readonly #options: DeadlockDetectorOptions
  readonly #proxy = randomBytes(8).toString('hex')
  readonly #waiters = new Map<string, { waiter: LockWaiter; toldMs: number }>()
  readonly #refused = new Set<string>()
  #seenCycles: ReadonlySet<string> = new Set()
  #running: Promise<void> | undefined
  /** One round at a time: what two have seen must have lasted from the first to the second. */
  #turn: Promise<unknown> = Promise.resolve()
  #isStopped = false
  afterMs = DEADLOCK_TIMEOUT_MS

  constructor(options: DeadlockDetectorOptions) {
    this.#options = options
  }

  mayWait(waiter: LockWaiter): void {
    if (this.#isStopped || !this.#options.catalog.current().isInstalled) return
    this.#waiters.set(`${this.#proxy}/${waiter.key}`, { waiter, toldMs: performance.now() })
    this.#running ??= this.#watch().finally(() => {
      this.#running = undefined
    })
  }

  /**
   * Looks now, of itself and beside any rounds under way, at what all proxies have published. Whether there is a deadlock: it is broken
   * as any other, by the proxy whose session is the victim.
   */
  async find(): Promise<boolean> {
    const first = await this.#round(true)
    if (first.length === 0) return false
    await pause(ROUND_MS, undefined, { ref: false })
    const seen = new Set(first)
    return (await this.#round(true)).some((signature) => seen.has(signature))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  /** Until none of our statements is among the waiting ones. */
  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      const now = performance.now()
      for (const [key, { toldMs }] of this.#waiters) {
        if (now - toldMs > FORGET_MS) this.#waiters.delete(key)
      }
      try {
        await this.#round(false)
      } catch (error) {
        this.#options.log.warn('cannot look for deadlocks, will be tried again', { error })
      }
      if (this.#waiters.size === 0) break
      await pause(ROUND_MS, undefined, { ref: false })
    }
    this.#seenCycles = new Set()
    this.#refused.clear()
  }

  /** Signatures of the circles that are there: those through our own transactions, or `ofAll`. */
  #round(ofAll: boolean): Promise<readonly string[]> {
    const round = this.#turn.then(() => this.#ask(ofAll))
    this.#turn = round.catch(() => undefined)
    return round
  }

  async #ask(ofAll: boolean): Promise<readonly string[]> {
    const own = [...this.#waiters].map(
      ([key, { waiter }]): WaitingTransaction => ({
        key,
        startedAtMs: waiter.startedAtMs,
        backends: waiter.backends.map(({ nodeId, processId }) => `${nodeId}:${processId}`),
      }),
    )
    const { nodes } = this.#options.catalog.current()
    const [coordinator] = nodes
    if (coordinator === undefined) return []
    const others = await this.#onNode(coordinator, (connection) => this.#publish(connection, own))
    const transactions = [...own, ...others]
    if (own.length === 0 && !(ofAll && others.length > 0)) return []
    const involved = new Set(transactions.flatMap(({ backends }) => backends.map(nodeIdOf)))
    const edges = await Promise.all(
      nodes
        .filter(({ nodeId }) => involved.has(nodeId))
        .map((node) => this.#onNode(node, (connection) => readWaits(connection))),
    )
    const graph = new WaitGraph(transactions, edges.flat())
    this.#break(own, transactions, graph)
    const asked = ofAll ? transactions : own
    return asked.flatMap(({ key }) => graph.cycleThrough(key)?.signature ?? [])
  }

  /** Only what is seen twice: what the nodes said was not said at one moment. */
  #break(
    own: readonly WaitingTransaction[],
    transactions: readonly WaitingTransaction[],
    graph: WaitGraph,
  ): void {
    const cycles = own.flatMap(({ key }) => graph.cycleThrough(key) ?? [])
    for (const cycle of cycles) {
      if (!this.#seenCycles.has(cycle.signature)) continue
      const victim = victimOf(cycle, transactions)
      const mine = this.#waiters.get(victim?.key ?? '')
      if (victim === undefined || mine === undefined || this.#refused.has(victim.key)) continue
      this.#refused.add(victim.key)
      this.#options.log.info('a deadlock over several nodes was broken', {
        victim: victim.key,
        waits: cycle.signature,
      })
      mine.waiter.refuse(deadlock(cycle))
    }
    this.#seenCycles = new Set(cycles.map(({ signature }) => signature))
  }

  /** Returns what other proxies have published. */
  async #publish(
    connection: BackendConnection,
    own: readonly WaitingTransaction[],
  ): Promise<readonly WaitingTransaction[]> {
    const { rows } = await query(connection, PUBLISH, [
      this.#proxy,
      array(own.map(({ key }) => key)),
      array(own.map(({ startedAtMs }) => String(startedAtMs))),
      array(own.map(({ backends }) => backends.join(' '))),
    ])
    const timeoutMs = Number(rows.at(-1)?.[3])
    if (timeoutMs > 0) this.afterMs = timeoutMs
    return rows.flatMap(([key, startedAtMs, backends = '']) =>
      key === undefined
        ? []
        : [{ key, startedAtMs: Number(startedAtMs), backends: backends.split(' ') }],
    )
  }

  async #onNode<T>(
    node: ClusterNode,
    work: (connection: BackendConnection) => Promise<T>,
  ): Promise<T> {
    const { pools, database, user } = this.#options
    const pool = pools.get(node, database, user)
    const connection = await pool.acquire()
    try {
      const text = connection.settings.syncText(NO_SETTINGS, false)
      if (text !== '') await query(connection, text)
      connection.settings.synced(NO_SETTINGS, false)
      return await work(connection)
    } finally {
      pool.release(connection)
    }
  }
}

async function readWaits(connection: BackendConnection): Promise<readonly WaitEdge[]> {
  const { nodeId } = connection.node
  const { rows } = await query(connection, WAITS)
  return rows.map(([processId = '', since = '', processes = '', gids = '']) => ({
    nodeId,
    processId,
    since,
    blockers: [...processes.split(','), ...gids.split(',')].filter((blocker) => blocker !== ''),
  }))
}

function nodeIdOf(backend: string): number {
  return Number(backend.split(':')[0])
}

/** Of words without blanks or quotes, but for the one between backends. */
function array(words: readonly string[]): string {
  return `{${words.map((word) => `"${word}"`).join(',')}}`
}

/** Postgres' words; its DETAIL names processes, here those of several nodes. */
function deadlock({ signature }: Cycle): RouterError {
  const lines = signature.split(' ').map((wait) => {
    const [, nodeId, waiting, blocking = ''] = /^(\d+):(\d+)@.*>(\w+)$/.exec(wait) ?? []
    const blocker = /^\d+$/.test(blocking) ? `process ${blocking}` : 'a prepared transaction'
    return `Process ${waiting} of node ${nodeId} waits for a lock; blocked by ${blocker}.`
  })
  return new RouterError(SqlState.deadlockDetected, 'deadlock detected', {
    detail: lines.join('\n'),
    hint: 'See server log for query details.',
  })
}
