import { connectBackend } from '../backend/backend-handshake.ts'
import type { Pools } from '../backend/pools.ts'
import type { ServerTls } from '../backend/server-tls.ts'
import type { Log } from '../base/log.ts'
import type { Catalog, CatalogSource } from '../catalog/catalog.ts'
import type { Config, ConfigDatabase } from '../config/config.ts'
import { CatalogWatcher } from '../control/catalog-watcher.ts'
import { ControlCommands } from '../control/cluster-commands.ts'
import { DeadlockDetector } from '../control/deadlock-detector.ts'
import type { QueryStatisticsSource } from '../control/query-statistics-source.ts'
import type { StatCountersSource } from '../control/stat-counters.ts'
import { TransactionRecovery } from '../control/transaction-recovery.ts'
import { Executor } from '../executor/executor.ts'
import type { DatabaseServices } from '../session/session-services.ts'
import { ownConnection } from './own-connection.ts'
import { LOCAL_NODE_ID } from './pool-settings.ts'
import { serverCredentials } from './server-credentials.ts'

export type DatabasesOptions = {
  readonly config: Config
  readonly pools: Pools
  readonly serverTls: ServerTls
  readonly log: Log
  readonly counters: StatCountersSource
  readonly statistics: QueryStatisticsSource
}

/** `name`: what clients call it; `database` may be the entry of `*`. */
export function databaseServices(
  { config, serverTls, counters, statistics }: DatabasesOptions,
  database: ConfigDatabase,
  name: string,
  catalogs: CatalogSource,
  watch?: { readonly recovery: TransactionRecovery; readonly deadlocks: DeadlockDetector },
): DatabaseServices {
  const { metadata_user: user, pool } = config
  const commands = new ControlCommands({
    recover: async () => (await watch?.recovery.runOnce()) ?? 0,
    findDeadlocks: async () => (await watch?.deadlocks.find()) ?? false,
    counters,
    statistics,
    connectNode: (node) =>
      connectBackend({
        node,
        database: name,
        user,
        tls: serverTls,
        credential: serverCredentials(config).get(user),
        parameters: { application_name: 'pgloom' },
        connectTimeoutMs: pool.server_connect_timeout_ms,
        allowsCleartextPassword: false,
      }),
  })
  const allowsOnePhase = config.multi_shard_commit_protocol === '1pc'
  const executor = new Executor(commands)
  return { catalogs, commands, executor, serverUser: database.user, allowsOnePhase }
}

/** Of a database we keep no metadata of: one node, where everything is. */
export function localCatalog({ hosts, port }: ConfigDatabase, database: string): CatalogSource {
  const [host] = hosts
  const catalog: Catalog = {
    database,
    version: 0,
    isInstalled: false,
    nodes: [
      { nodeId: LOCAL_NODE_ID, groupId: 0, host, port, isActive: true, shouldHaveShards: true },
    ],
    tables: new Map(),
    views: new Map(),
    shadowingRelations: new Set(),
    shellOids: new Map(),
  }
  return {
    current: () => catalog,
    refresh: () => Promise.resolve(catalog),
    readThrough: () => Promise.resolve(catalog),
  }
}

export function makeWatcher(
  { config, serverTls, log }: DatabasesOptions,
  database: ConfigDatabase,
): CatalogWatcher {
  const { user, password } = ownConnection(config, database)
  const { name, hosts, port } = database
  return new CatalogWatcher({
    database: name,
    coordinator: { host: hosts[0], port },
    connection: { user, password },
    sslOf: (host) => serverTls.requiredOptions(host),
    log: log.with({ database: name }),
    pollIntervalMs: config.metadata_poll_interval_ms,
  })
}

type OwnParts = { readonly pools: Pools; readonly watcher: CatalogWatcher; readonly log: Log }

export function makeDeadlockDetector(
  { metadata_user: user }: Config,
  { name }: ConfigDatabase,
  { pools, watcher, log }: OwnParts,
): DeadlockDetector {
  const own = log.with({ database: name })
  return new DeadlockDetector({ pools, catalog: watcher, database: name, user, log: own })
}

export function makeRecovery(
  config: Config,
  { name }: ConfigDatabase,
  { pools, watcher, log }: OwnParts,
): TransactionRecovery {
  return new TransactionRecovery({
    pools,
    catalog: watcher,
    database: name,
    user: config.metadata_user,
    intervalMs: config.recover_2pc_interval_ms,
    log: log.with({ database: name }),
  })
}
