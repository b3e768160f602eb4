import { connectBackend } from './backend/backend-handshake.ts'
import { DEFAULT_POOLS_OPTIONS, Pools } from './backend/pools.ts'
import type { ServerCredential } from './backend/server-credential.ts'
import { TrafficTable } from './backend/traffic-counters.ts'
import type { Log } from './base/log.ts'
import type { Catalog, CatalogSource } from './catalog/catalog.ts'
import type { Config } from './config.ts'
import { CatalogWatcher } from './control/catalog-watcher.ts'
import { ControlCommands } from './control/cluster-commands.ts'
import { TransactionRecovery } from './control/transaction-recovery.ts'
import { Executor } from './executor/executor.ts'
import { HttpServer } from './ops/http-server.ts'
import { Metrics } from './ops/metrics.ts'
import { ensureMetadata, ownConnection } from './own-connection.ts'
import { Authenticator } from './session/authenticator.ts'
import { CancelKeys } from './session/cancel-keys.ts'
import { Listener } from './session/listener.ts'
import type { DatabaseServices, SessionServices } from './session/session-services.ts'
import { ParserHost } from './sql/parser-host.ts'
import { DEFAULT_FRAME_LIMITS } from './wire/frame-reader.ts'
import { makeScramSecret, parseScramSecret, type ScramSecret } from './wire/scram-secret.ts'

const APPLICATION_NAME = 'pgloom'
/** What open transactions get to end by themselves when the proxy stops. */
const DRAIN_GRACE_MS = 2000

/** The composition root: builds all parts of a proxy, wires them, and takes them down in the opposite order. */
export class Router {
  readonly #config: Config
  readonly #pools: Pools
  readonly #catalogs: ReadonlyMap<string, CatalogWatcher>
  readonly #databases: ReadonlyMap<string, DatabaseServices>
  readonly #recoveries: readonly TransactionRecovery[]
  readonly #metrics: Metrics
  readonly #traffic = new TrafficTable()
  readonly #log: Log
  #listener: Listener | undefined
  #http: HttpServer | undefined
  #isStopping = false

  private constructor(config: Config, log: Log) {
    this.#config = config
    this.#log = log
    this.#pools = makePools(config)
    this.#catalogs = new Map(
      config.databases.map((database) => [database, makeWatcher(config, database, log)]),
    )
    this.#databases = new Map(
      [...this.#catalogs].map(([name, catalogs]) => [
        name,
        databaseServices(config, name, catalogs),
      ]),
    )
    this.#recoveries = [...this.#catalogs].map(([database, catalog]) => {
      return new TransactionRecovery({
        pools: this.#pools,
        catalog,
        database,
        user: config.metadata_user,
        intervalMs: config.recover_2pc_interval_ms,
        log: log.with({ database }),
      })
    })
    this.#metrics = new Metrics({
      pools: this.#pools,
      clients: () => this.#listener?.clientCount ?? 0,
      pins: () => this.#listener?.pins().map(({ reason }) => reason) ?? [],
    })
  }

  /** Returns when clients are served. Rejects, with nothing left open, when a port or the coordinator can't be had. */
  static async start(config: Config, log: Log): Promise<Router> {
    const router = new Router(config, log)
    try {
      await router.#open()
      return router
    } catch (error) {
      await router.stop()
      throw error
    }
  }

  /** Where clients connect: as the first user of the configuration, or the metadata user where there are none. */
  url(database: string): string {
    const { listen, metadata_user, users } = this.#config
    const user = encodeURIComponent(users[0]?.name ?? metadata_user)
    const port = this.#listener?.port ?? listen.port
    return `postgres://${user}@${listen.host}:${port}/${encodeURIComponent(database)}`
  }

  /** Ends clients and connections. Safe to call after a start that failed half-way. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#listener?.close(DRAIN_GRACE_MS)
    await Promise.all(this.#recoveries.map((recovery) => recovery.stop()))
    await Promise.all([...this.#catalogs.values()].map((watcher) => watcher.stop()))
    this.#pools.closeAll()
    await this.#http?.stop()
  }

  async #open(): Promise<void> {
    const { databases, http, listen } = this.#config
    await Promise.all(
      databases.map((name) =>
        ensureMetadata(this.#config, name, this.#log.with({ database: name })),
      ),
    )
    await Promise.all([...this.#catalogs.values()].map((watcher) => watcher.start()))
    for (const recovery of this.#recoveries) recovery.start()
    const services = await this.#sessionServices()
    const { host, port, max_clients: maxClients } = listen
    this.#listener = await Listener.open({ host, port, maxClients }, services)
    this.#http = await HttpServer.start(http, {
      metrics: this.#metrics,
      notReadyReason: () => (this.#isStopping ? 'stopping' : undefined),
    })
    this.#log.info('serving HTTP', { url: `http://${http.host}:${this.#http.port}` })
  }

  async #sessionServices(): Promise<SessionServices> {
    const { listen, pool, auth } = this.#config
    return {
      authenticator: new Authenticator({
        method: auth.method,
        secrets: await scramSecrets(this.#config),
      }),
      cancelKeys: new CancelKeys(),
      parser: await ParserHost.create(),
      pools: this.#pools,
      log: this.#log,
      limits: { ...DEFAULT_FRAME_LIMITS, messageBytes: listen.max_message_bytes },
      loginTimeoutMs: listen.login_timeout_ms,
      acquireTimeoutMs: pool.acquire_timeout_ms,
      observer: this.#metrics,
      traffic: this.#traffic,
      database: (name) => this.#databases.get(name) ?? this.#localDatabase(name),
    }
  }

  /** A database we keep no metadata of: pooled only. Whether it exists is the coordinator's to say. */
  #localDatabase(name: string): DatabaseServices {
    return databaseServices(this.#config, name, localCatalog(this.#config, name))
  }
}

function databaseServices(
  config: Config,
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
        credential: serverCredentials(config).get(user),
        parameters: { application_name: APPLICATION_NAME },
        connectTimeoutMs: pool.connect_timeout_ms,
        allowsCleartextPassword: false,
      }),
  })
  return { catalogs, commands, executor: new Executor(commands) }
}

function localCatalog({ coordinator }: Config, database: string): CatalogSource {
  const catalog: Catalog = {
    database,
    version: 0,
    isInstalled: false,
    nodes: [{ nodeId: 0, groupId: 0, ...coordinator, isActive: true, shouldHaveShards: true }],
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

async function scramSecrets(config: Config): Promise<ReadonlyMap<string, ScramSecret>> {
  const secrets = new Map<string, ScramSecret>()
  for (const { name, password, scram_secret } of config.users) {
    if (scram_secret !== undefined) {
      const secret = parseScramSecret(scram_secret)
      if (secret === undefined) throw new Error(`scram_secret of user ${name} is not valid`)
      secrets.set(name, secret)
    } else if (password !== undefined) secrets.set(name, await makeScramSecret(password))
  }
  return secrets
}

function serverCredentials({ users }: Config): ReadonlyMap<string, ServerCredential> {
  const credentials = new Map<string, ServerCredential>()
  for (const user of users) {
    const password = user.server_password ?? user.password
    if (password !== undefined) credentials.set(user.name, { kind: 'password', password })
  }
  return credentials
}

function makePools(config: Config): Pools {
  const { pool } = config
  const credentials = serverCredentials(config)
  return new Pools({
    ...DEFAULT_POOLS_OPTIONS,
    maxConnections: pool.max_connections,
    acquireTimeoutMs: pool.acquire_timeout_ms,
    connectTimeoutMs: pool.connect_timeout_ms,
    idleTimeoutMs: pool.idle_timeout_ms,
    maxLifetimeMs: pool.max_lifetime_ms,
    credentialOf: ({ user }) => credentials.get(user),
    parameters: { application_name: APPLICATION_NAME },
  })
}

function makeWatcher(config: Config, database: string, log: Log): CatalogWatcher {
  const { user, password } = ownConnection(config, database)
  return new CatalogWatcher({
    database,
    coordinator: config.coordinator,
    connection: { user, password },
    log: log.with({ database }),
    pollIntervalMs: config.metadata_poll_interval_ms,
  })
}
