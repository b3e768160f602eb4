import type { ClientBase } from 'pg'
import { CATALOG_LENS_SQL } from './catalog-lens-sql.ts'
import { GLOBAL_INDEX_METADATA_SQL } from './global-index-metadata.ts'
import { GUARD_PLANS_SQL, NODE_SQL } from './guard-sql.ts'
import { GUARDED_DECISIONS_SQL } from './guarded-decisions-sql.ts'
import { MATERIALIZED_VIEWS_SQL } from './materialized-views-sql.ts'
import { METADATA_READERS_SQL } from './metadata-readers.ts'
import { METADATA_TABLES_SQL } from './metadata-tables.ts'
import { METADATA_VIEWS_SQL } from './metadata-views.ts'
import {
  GLOBAL_PID_SQL,
  HOLD_DECISIONS_SQL,
  LOCK_WAITERS_SQL,
  METADATA_WRITERS_SQL,
} from './metadata-writers.ts'
import { SETTING_READER_SQL } from './setting-reader-sql.ts'

/** Each entry brings the schema from version n to n + 1; released entries never change, only new ones follow. */
const MIGRATIONS: readonly string[] = [
  `${METADATA_TABLES_SQL}
${METADATA_READERS_SQL}
${METADATA_VIEWS_SQL}
${METADATA_WRITERS_SQL}
CREATE SCHEMA pgloom_scratch;
GRANT USAGE, CREATE ON SCHEMA pgloom_scratch TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA pgloom TO PUBLIC;`,
  CATALOG_LENS_SQL,
  SETTING_READER_SQL,
  `${NODE_SQL}${GUARD_PLANS_SQL}${CATALOG_LENS_SQL}`,
  `${MATERIALIZED_VIEWS_SQL}${CATALOG_LENS_SQL}`,
  HOLD_DECISIONS_SQL,
  LOCK_WAITERS_SQL,
  GLOBAL_PID_SQL,
  CATALOG_LENS_SQL,
  GLOBAL_INDEX_METADATA_SQL,
  GUARDED_DECISIONS_SQL,
  // again: decisions are durable
  GUARDED_DECISIONS_SQL,
]

/** Of our advisory locks: spells "pgloom" in ASCII, so it stays below 2^53. */
const INSTALL_LOCK = '123589503184749'

/**
 * Makes or upgrades the metadata schema on the coordinator, all in one transaction. Safe to call at any time and from
 * two proxies at once. `client` is connected as the database's owner (or any role that may create schemas in it,
 * which then owns the metadata); a superuser is not needed.
 */
export async function installMetadata(client: ClientBase): Promise<void> {
  await inTransaction(client, async () => {
    await client.query(`SELECT pg_advisory_xact_lock(${INSTALL_LOCK})`)
    const installed = await installedVersion(client)
    if (installed > MIGRATIONS.length) {
      throw new Error(
        `the metadata schema has version ${installed}, newer than this program's ${MIGRATIONS.length}`,
      )
    }
    if (installed === MIGRATIONS.length) return
    if (installed === 0) {
      await client.query(NODE_SQL)
      await client.query(
        'CREATE TABLE pgloom.pg_dist_schema_version (version int NOT NULL, installed_at timestamptz NOT NULL DEFAULT now())',
      )
    }
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index < installed) continue
      await client.query(migration)
      await client.query('INSERT INTO pgloom.pg_dist_schema_version VALUES ($1)', [index + 1])
    }
  })
}

/** Guard functions and all else that a node must have before shells or reference tables come to it. Idempotent. */
export async function prepareNode(client: ClientBase): Promise<void> {
  await inTransaction(client, async () => {
    await client.query(`SELECT pg_advisory_xact_lock(${INSTALL_LOCK})`)
    await client.query(NODE_SQL)
  })
}

export type NodeAddress = { readonly host: string; readonly port: number }

/**
 * Puts the coordinator itself into the metadata unless it is there already. `shouldHaveShards` counts only then:
 * afterwards it is the operator's.
 */
export async function registerCoordinator(
  client: ClientBase,
  address: NodeAddress,
  shouldHaveShards: boolean,
): Promise<void> {
  await client.query(
    `SELECT pgloom.add_node($1, $2, true, $3)
     WHERE NOT EXISTS (SELECT FROM pgloom.pg_dist_node WHERE groupid = 0)`,
    [address.host, address.port, shouldHaveShards],
  )
}

/**
 * Prepares and registers a worker of a cluster that has no cluster tables yet (the embedded one at its first start);
 * afterwards citus_add_node is the way, which also copies tables. `worker` is a connection to that node.
 */
export async function registerFirstWorker(
  coordinator: ClientBase,
  worker: ClientBase,
  address: NodeAddress,
): Promise<void> {
  await prepareNode(worker)
  await inTransaction(coordinator, async () => {
    const { rows } = await coordinator.query(
      `SELECT (SELECT count(*) FROM pgloom.pg_dist_partition)::int AS tables,
         (SELECT is_new FROM pgloom.add_node($1, $2, false, true)) AS is_new`,
      [address.host, address.port],
    )
    if (rows[0]?.is_new === true && rows[0]?.tables > 0) {
      throw new Error(`add ${address.host}:${address.port} with citus_add_node: there are tables`)
    }
  })
}

async function installedVersion(client: ClientBase): Promise<number> {
  const { rows } = await client.query(
    "SELECT to_regclass('pgloom.pg_dist_schema_version') IS NOT NULL AS exists",
  )
  if (rows[0]?.exists !== true) return 0
  const found = await client.query(
    'SELECT coalesce(max(version), 0)::int AS version FROM pgloom.pg_dist_schema_version',
  )
  return found.rows[0]?.version ?? 0
}

async function inTransaction(client: ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN')
  try {
    await work()
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}
