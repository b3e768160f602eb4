import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Pools } from '../backend/pools.ts'
import { NO_SETTINGS } from '../backend/session-state.ts'
import { ServerError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CatalogSource, ClusterNode } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { verbOf } from '../executor/transaction/finish-spread.ts'
import { isHeld, spreadPrefix, spreadTransaction } from '../executor/transaction/spread-prepare.ts'
import {
  DECISION_DEADLINE_MS,
  decide,
  GID_PREFIX,
  parseGid,
  readClusterId,
} from '../executor/transaction/two-phase-commit.ts'
import { quoteLiteral } from '../planner/setting-values.ts'

export type TransactionRecoveryOptions = {
  readonly pools: Pools
  readonly catalog: CatalogSource
  readonly database: string
  /** Must be allowed to finish others' prepared transactions: a superuser, or a member of their owners. */
  readonly user: string
  readonly intervalMs: number
  /** Younger prepared transactions that nobody has decided are left to their own proxy. */
  readonly graceMs?: number
  readonly log: Log
}

type Prepared = {
  readonly node: ClusterNode
  readonly gid: string
  readonly owner: string
  readonly transactionId: string
}

const DEFAULT_GRACE_MS = 5000
/** What is decided may be finished by anybody; only not while its own proxy is most likely doing so. */
const DECIDED_GRACE_MS = 500

/**
 * Decision rows are kept for so long, and deleted only when every node answered and none holds a part of the
 * transaction. Why that is safe:
 *   commit: all parts were prepared before the decision, none can be added; when none is left, nobody will ask again.
 *   abort: its proxy might still ask for 'commit', and must find the row. It gives up DECISION_DEADLINE_MS after its
 *   first PREPARE, and recovery decides after that PREPARE, so after many times the deadline nobody asks.
 */
const KEEP_DECISIONS_MS = Math.max(24 * 3_600_000, 12 * DECISION_DEADLINE_MS)

/**
 * Finishes multi-node transactions whose proxy is gone. Any number of proxies may do so at once: what is decided is
 * decided by one row (pgloom.decide), and to finish a part that someone else has just finished is no error.
 */
export class TransactionRecovery {
  readonly #options: TransactionRecoveryOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(options: TransactionRecoveryOptions) {
    this.#options = options
  }

  /** Runs at once and then every interval. */
  start(): void {
    this.#running = this.#tick()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** One round; returns how many parts it finished. Rejects only when the coordinator can't be asked. */
  async runOnce(): Promise<number> {
    const { nodes, isInstalled } = this.#options.catalog.current()
    const [coordinator] = nodes
    if (coordinator === undefined || !isInstalled) return 0
    return await this.#onNode(coordinator, this.#options.user, async (decider) => {
      const clusterId = await readClusterId(decider)
      const found = await Promise.all(nodes.map((node) => this.#findPrepared(node, clusterId)))
      const ours = found.flatMap((prepared) => prepared ?? [])
      const decided = await readDecided(decider, ours)
      // later: what is decided was prepared before that, so it is seen here, or finished
      const spread = await findSpread(decider, coordinator, clusterId)
      // the client's part on the coordinator before all others: see finish-spread.ts
      const settled = await readDecided(decider, spread, DECIDED_GRACE_MS)
      const kept = await this.#finishSpread(decider, spread, settled)
      const rest = ours.filter(({ transactionId }) => !kept.has(transactionId))
      const finished = await this.#finishAll(decider, rest, decided)
      if (found.every((prepared) => prepared?.length === 0)) await deleteOldDecisions(decider)
      return finished
    })
  }

  async #tick(): Promise<void> {
    try {
      const finished = await this.runOnce()
      if (finished > 0) this.#options.log.info('recovered prepared transactions', { finished })
    } catch (error) {
      this.#options.log.warn('transaction recovery failed, will be tried again', { error })
    }
    if (this.#isStopped) return
    this.#timer = setTimeout(() => {
      this.#running = this.#tick()
    }, this.#options.intervalMs)
    this.#timer.unref()
  }

  /** undefined: the node didn't answer. Of any age: whether decisions may be deleted depends on the young ones too. */
  async #findPrepared(node: ClusterNode, clusterId: string): Promise<Prepared[] | undefined> {
    try {
      return await this.#onNode(node, this.#options.user, async (connection) => {
        const { rows } = await query(
          connection,
          `SELECT gid, owner FROM pg_catalog.pg_prepared_xacts
           WHERE database = pg_catalog.current_database() AND gid LIKE '${GID_PREFIX}\\_%'`,
        )
        return rows.flatMap(([gid = '', owner = '']) => {
          const parsed = parseGid(gid)
          if (parsed === undefined || parsed.clusterId !== clusterId) return []
          return [{ node, gid, owner, transactionId: parsed.transactionId }]
        })
      })
    } catch (error) {
      this.#options.log.warn('cannot look for prepared transactions', {
        nodeId: node.nodeId,
        error,
      })
      return undefined
    }
  }

  /** Those whose other parts are to be left alone: clients keep them, or their coordinator's part could not be finished. */
  async #finishSpread(
    decider: BackendConnection,
    spread: readonly Prepared[],
    decided: ReadonlySet<string>,
  ): Promise<ReadonlySet<string>> {
    const kept = new Set<string>()
    for (const one of spread) {
      const isDecided = decided.has(one.transactionId)
      if (!isDecided || !(await this.#finishHere(decider, one))) kept.add(one.transactionId)
    }
    return kept
  }

  async #finishHere(decider: BackendConnection, prepared: Prepared): Promise<boolean> {
    const { node, gid, owner, transactionId } = prepared
    try {
      const decision = await decide(decider, transactionId, 'abort')
      await this.#runAsOwner(node, owner, `${verbOf(decision)} ${quoteLiteral(gid)}`)
      return true
    } catch (error) {
      if (error instanceof ServerError && error.sqlState === SqlState.undefinedObject) return true
      this.#options.log.warn('cannot finish a prepared transaction', { gid, error })
      return false
    }
  }

  async #finishAll(
    decider: BackendConnection,
    prepared: readonly Prepared[],
    decided: ReadonlySet<string>,
  ): Promise<number> {
    const { graceMs = DEFAULT_GRACE_MS } = this.#options
    let finished = 0
    for (const one of prepared) {
      if (this.#isStopped) break
      const ageMs = decided.has(one.transactionId) ? Math.min(graceMs, DECIDED_GRACE_MS) : graceMs
      const isDecided = decided.has(one.transactionId)
      if (await this.#finish(decider, one, ageMs, isDecided)) finished++
    }
    return finished
  }

  async #finish(
    decider: BackendConnection,
    prepared: Prepared,
    ageMs: number,
    isDecided: boolean,
  ): Promise<boolean> {
    const { node, gid, transactionId, owner } = prepared
    try {
      if (!(await this.#isOld(prepared, ageMs))) return false
      // a client's, prepared since we looked, or being prepared; who finishes it decides first
      if (!isDecided && (await isHeld(decider, transactionId))) return false
      const decision = await decide(decider, transactionId, 'abort')
      const verb = decision === 'commit' ? 'COMMIT' : 'ROLLBACK'
      await this.#runAsOwner(node, owner, `${verb} PREPARED '${gid}'`)
      this.#options.log.info('finished a prepared transaction', {
        nodeId: node.nodeId,
        gid,
        decision,
      })
      return true
    } catch (error) {
      // another proxy, or its own, has just finished it: as it was decided, since nobody does otherwise
      if (error instanceof ServerError && error.sqlState === SqlState.undefinedObject) return false
      this.#options.log.warn('cannot finish a prepared transaction', {
        nodeId: node.nodeId,
        gid,
        error,
      })
      return false
    }
  }

  /** By the node's own clock; also false when it is gone meanwhile. */
  #isOld({ node, gid }: Prepared, ageMs: number): Promise<boolean> {
    return this.#onNode(node, this.#options.user, async (connection) => {
      const { rows } = await query(
        connection,
        `SELECT 1 FROM pg_catalog.pg_prepared_xacts
         WHERE database = pg_catalog.current_database() AND gid = $1
           AND prepared <= pg_catalog.now() - $2::int8 * interval '1 millisecond'`,
        [gid, String(ageMs)],
      )
      return rows.length > 0
    })
  }

  /** Only its owner or a superuser may finish a prepared transaction, and pools know passwords of the users alone. */
  async #runAsOwner(node: ClusterNode, owner: string, command: string): Promise<void> {
    const { user } = this.#options
    try {
      await this.#onNode(node, user, (connection) => query(connection, command))
    } catch (error) {
      if (owner === user) throw error
      await this.#onNode(node, owner, (connection) => query(connection, command))
    }
  }

  async #onNode<T>(
    node: ClusterNode,
    user: string,
    work: (connection: BackendConnection) => Promise<T>,
  ): Promise<T> {
    const pool = this.#options.pools.get(node, this.#options.database, user)
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

/** What clients have prepared on several nodes: the coordinator's parts. */
async function findSpread(
  decider: BackendConnection,
  node: ClusterNode,
  clusterId: string,
): Promise<readonly Prepared[]> {
  const { rows } = await query(
    decider,
    `SELECT gid, owner FROM pg_catalog.pg_prepared_xacts
     WHERE database = pg_catalog.current_database() AND pg_catalog.starts_with(gid, $1)`,
    [spreadPrefix(clusterId)],
  )
  return rows.flatMap(([gid = '', owner = '']) => {
    const transactionId = spreadTransaction(gid, clusterId)
    return transactionId === undefined ? [] : [{ node, gid, owner, transactionId }]
  })
}

async function readDecided(
  decider: BackendConnection,
  prepared: readonly Prepared[],
  ageMs = 0,
): Promise<ReadonlySet<string>> {
  if (prepared.length === 0) return new Set()
  const ids = prepared.map(({ transactionId }) => transactionId)
  const { rows } = await query(
    decider,
    `SELECT transactionid FROM pgloom.pg_dist_transaction WHERE transactionid = ANY ($1::text[])
       AND decided_at <= pg_catalog.clock_timestamp() - $2::int8 * interval '1 millisecond'`,
    [`{${ids.join(',')}}`, String(ageMs)],
  )
  return new Set(rows.map(([id = '']) => id))
}

async function deleteOldDecisions(decider: BackendConnection): Promise<void> {
  await query(
    decider,
    `DELETE FROM pgloom.pg_dist_transaction
     WHERE decided_at < pg_catalog.now() - $1::int8 * interval '1 millisecond'`,
    [String(KEEP_DECISIONS_MS)],
  )
}
