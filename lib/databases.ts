import { connectBackend } from './backend/backend-handshake.ts'
import type { Pools } from './backend/pools.ts'
import type { ServerTls } from './backend/server-tls.ts'
import type { Log } from './base/log.ts'
import type { Catalog, CatalogSource } from './catalog/catalog.ts'
import type { Config, ConfigDatabase } from './config/config.ts'
import { CatalogWatcher } from './control/catalog-watcher.ts'
import { ControlCommands } from './control/cluster-commands.ts'
import { TransactionRecovery } from './control/transaction-recovery.ts'
import { Executor } from './executor/executor.ts'
import { ensureMetadata, ownConnection } from './own-connection.ts'
import { serverCredentials } from './server-credentials.ts'
import type { DatabaseServices } from './session/session-services.ts'

export type DatabasesOptions = {
  readonly config: Config
  readonly pools: Pools
  readonly serverTls: ServerTls
  readonly log: Log
}

type Sharded = {
  readonly database: ConfigDatabase
  readonly watcher: CatalogWatcher
  readonly recovery: TransactionRecovery
}

/** The databases that clients may ask for: sharded ones, whose metadata we watch, and those that are pooled only. */
export class Databases {
  readonly #options: DatabasesOptions
  readonly #log: Log
  readonly #sharded: readonly Sharded[]
  readonly #services: ReadonlyMap<string, DatabaseServices>
  readonly #fallback: ConfigDatabase | undefined
  #isStopped = false

  constructor(options: DatabasesOptions) {
    const { config, pools, log } = options
    this.#options = options
    this.#log = log
    const services = new Map<string, DatabaseServices>()
    const sharded: Sharded[] = []
    for (const database of config.databases) {
      if (database.name === '*') continue
      let catalogs: CatalogSource = localCatalog(database, database.name)
      if (database.sharded) {
        const watcher = makeWatcher(options, database)
        const recovery = makeRecovery(config, database, { pools, watcher, log })
        sharded.push({ database, watcher, recovery })
        catalogs = watcher
      }
      services.set(database.name, databaseServices(options, database.name, catalogs))
    }
    this.#services = services
    this.#sharded = sharded
    this.#fallback = config.databases.find(({ name }) => name === '*')
  }

  /** Makes or upgrades the metadata: once a host is enough. */
  async install(): Promise<void> {
    await Promise.all(
      this.#sharded.map(({ database }) => {
        return ensureMetadata(
          this.#options.config,
          database,
          this.#log.with({ database: database.name }),
        )
      }),
    )
  }

  /** Returns when the metadata of all are known. */
  async start(): Promise<void> {
    await Promise.all(this.#sharded.map(({ watcher }) => watcher.start()))
  }

  /** Finishes what proxies left behind, from now on: once a host is enough. */
  recover(): void {
    if (this.#isStopped) return
    for (const { recovery } of this.#sharded) recovery.start()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#sharded.map(({ recovery }) => recovery.stop()))
    await Promise.all(this.#sharded.map(({ watcher }) => watcher.stop()))
  }

  /** Whether one that only `*` stands for exists is its server's to say. */
  find(name: string): DatabaseServices | undefined {
    const known = this.#services.get(name)
    if (known !== undefined || this.#fallback === undefined) return known
    return databaseServices(this.#options, name, localCatalog(this.#fallback, name))
  }
}

function databaseServices(
  { config, serverTls }: DatabasesOptions,
  database: string,
  catalogs: CatalogSource,
): DatabaseServices {
  const { metadata_user: user, pool } = config
  const commands = new ControlCommands({
    connectNode: (node) =>
      connectBackend({
        node,
        database,
        user,
        tls: serverTls,
        credential: serverCredentials(config).get(user),
        parameters: { application_name: 'pgloom' },
        connectTimeoutMs: pool.server_connect_timeout_ms,
        allowsCleartextPassword: false,
      }),
  })
  return { catalogs, commands, executor: new Executor(commands) }
}

/** Of a database we keep no metadata of: one node, where everything is. */
function localCatalog({ hosts, port }: ConfigDatabase, database: string): CatalogSource {
  const [host] = hosts
  const catalog: Catalog = {
    database,
    version: 0,
    isInstalled: false,
    nodes: [{ nodeId: 0, groupId: 0, host, port, isActive: true, shouldHaveShards: true }],
    tables: new Map(),
    shadowingRelations: new Set(),
    shellOids: new Map(),
  }
  return {
    current: () => catalog,
    refresh: () => Promise.resolve(catalog),
    readThrough: () => Promise.resolve(catalog),
  }
}

function makeWatcher(
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

function makeRecovery(
  config: Config,
  { name }: ConfigDatabase,
  { pools, watcher, log }: { pools: Pools; watcher: CatalogWatcher; log: Log },
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
