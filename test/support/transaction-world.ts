import pg from 'pg'
import { DEFAULT_POOLS_OPTIONS, Pools, type PoolsOptions } from '../../lib/backend/pools.ts'
import { SessionSettings } from '../../lib/backend/session-state.ts'
import { TrafficCounters } from '../../lib/backend/traffic-counters.ts'
import { Log } from '../../lib/base/log.ts'
import type { Catalog, CatalogSource } from '../../lib/catalog/catalog.ts'
import { installMetadata } from '../../lib/control/metadata-schema.ts'
import { query } from '../../lib/executor/node-client.ts'
import { SessionTransaction } from '../../lib/executor/transaction/transaction.ts'
import { testCluster } from './postgres-cluster.ts'

type Teardown = { teardown(clean: () => void | Promise<void>): void }

/** For errors and warnings that a test brings about on purpose. */
export const SILENT = new Log('error')
export const SIGNAL = new AbortController().signal

/** A coordinator (node 1) and two workers (2, 3), each with table `t (k int, UNIQUE DEFERRABLE)`. */
export async function transactionWorld(t: Teardown) {
  const { nodes } = await testCluster(t, 2)
  const admins: pg.Client[] = []
  for (const { host, port } of nodes) {
    const admin = new pg.Client({ host, port, user: 'postgres', database: 'app' })
    await admin.connect()
    await admin.query(`SET ROLE app;
      CREATE TABLE t (k int, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED); RESET ROLE`)
    admins.push(admin)
    t.teardown(() => admin.end())
  }
  const [coordinator] = admins
  if (coordinator === undefined) throw new Error('no coordinator')
  await coordinator.query('SET ROLE app')
  await installMetadata(coordinator)
  await coordinator.query('RESET ROLE')
  const catalog: Catalog = {
    database: 'app',
    version: 1,
    isInstalled: true,
    nodes: nodes.map(({ host, port }, index) => ({
      nodeId: index + 1,
      groupId: index,
      host,
      port,
      isActive: true,
      shouldHaveShards: index > 0,
    })),
    tables: new Map(),
    views: new Map(),
    shadowingRelations: new Set(),
    shellOids: new Map(),
  }
  const source: CatalogSource = {
    current: () => catalog,
    refresh: () => Promise.resolve(catalog),
    readThrough: () => Promise.resolve(catalog),
  }
  const poolsOf = (options: Partial<PoolsOptions>) => {
    const made = new Pools({ ...DEFAULT_POOLS_OPTIONS, ...options })
    t.teardown(() => made.closeAll())
    return made
  }
  const pools = poolsOf({})

  function session(from = pools) {
    const settings = new SessionSettings()
    const transaction = new SessionTransaction({
      pools: from,
      catalog: source,
      database: 'app',
      user: 'app',
      settings,
      counters: new TrafficCounters(),
      log: SILENT,
    })
    /** One statement on one node; its error fails the block. */
    async function run(nodeId: number, text: string, access: 'read' | 'write' = 'write') {
      try {
        const connection = await transaction.connection(nodeId, access, SIGNAL)
        const { rows } = await query(connection, text)
        transaction.endStatement(false)
        return rows[0]?.[0]
      } catch (error) {
        transaction.endStatement(true)
        throw error
      }
    }
    return { settings, transaction, run }
  }

  /** What other sessions see, node by node. */
  async function rows(): Promise<string[]> {
    const found = await Promise.all(
      admins.map((admin) =>
        admin.query("SELECT coalesce(string_agg(k::text, ',' ORDER BY k), '') s FROM t"),
      ),
    )
    return found.map((result) => String(result.rows[0]?.s))
  }

  async function prepared(): Promise<string[]> {
    const found = await Promise.all(
      admins.map((admin) => admin.query('SELECT gid FROM pg_prepared_xacts')),
    )
    return found.flatMap((result) => result.rows.map(({ gid }) => String(gid)))
  }

  return { nodes, admins, coordinator, pools, poolsOf, source, session, rows, prepared }
}
