import { DEFAULT_POOLS_OPTIONS, Pools } from './backend/pools.ts'
import type { Log } from './base/log.ts'
import type { Config } from './config.ts'
import { CatalogWatcher } from './control/catalog-watcher.ts'
import { HttpServer } from './ops/http-server.ts'
import { Metrics } from './ops/metrics.ts'

const APPLICATION_NAME = 'pgloom'

/** The composition root: builds all parts of a proxy, wires them, and takes them down in the opposite order. */
export class Router {
  readonly #config: Config
  readonly #pools: Pools
  readonly #catalogs: ReadonlyMap<string, CatalogWatcher>
  readonly #metrics: Metrics
  readonly #log: Log
  #http: HttpServer | undefined
  #isStopping = false

  private constructor(config: Config, log: Log) {
    this.#config = config
    this.#log = log
    this.#pools = makePools(config)
    this.#catalogs = new Map(
      config.databases.map((database) => [database, makeWatcher(config, database, log)]),
    )
    this.#metrics = new Metrics({ pools: this.#pools, clients: () => 0 })
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

  /** Where clients connect, as role app. */
  url(database: string): string {
    const { host, port } = this.#config.listen
    return `postgres://app@${host}:${port}/${encodeURIComponent(database)}`
  }

  /** Ends clients and connections. Safe to call after a start that failed half-way. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all([...this.#catalogs.values()].map((watcher) => watcher.stop()))
    this.#pools.closeAll()
    await this.#http?.stop()
  }

  async #open(): Promise<void> {
    const { http } = this.#config
    await Promise.all([...this.#catalogs.values()].map((watcher) => watcher.start()))
    this.#http = await HttpServer.start(http, {
      metrics: this.#metrics,
      notReadyReason: () => (this.#isStopping ? 'stopping' : undefined),
    })
    this.#log.info('serving HTTP', { url: `http://${http.host}:${this.#http.port}` })
  }
}

function makePools(config: Config): Pools {
  const { pool, users } = config
  const passwords = new Map(
    users.map(({ name, server_password, password }) => [name, server_password ?? password]),
  )
  return new Pools({
    ...DEFAULT_POOLS_OPTIONS,
    maxConnections: pool.max_connections,
    acquireTimeoutMs: pool.acquire_timeout_ms,
    connectTimeoutMs: pool.connect_timeout_ms,
    idleTimeoutMs: pool.idle_timeout_ms,
    maxLifetimeMs: pool.max_lifetime_ms,
    passwordOf: (user) => passwords.get(user),
    parameters: { application_name: APPLICATION_NAME },
  })
}

function makeWatcher(config: Config, database: string, log: Log): CatalogWatcher {
  const { coordinator, metadata_user: user, metadata_poll_interval_ms, users } = config
  const known = users.find(({ name }) => name === user)
  return new CatalogWatcher({
    database,
    coordinator,
    connection: { user, password: known?.server_password ?? known?.password ?? '' },
    log: log.with({ database }),
    pollIntervalMs: metadata_poll_interval_ms,
  })
}
