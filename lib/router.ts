import { Access } from './access.ts'
import { DEFAULT_POOLS_OPTIONS, Pools } from './backend/pools.ts'
import { TrafficTable } from './backend/traffic-counters.ts'
import type { Log } from './base/log.ts'
import type { Config } from './config/config.ts'
import { Databases } from './databases.ts'
import { HttpServer } from './ops/http-server.ts'
import { Metrics } from './ops/metrics.ts'
import { CancelKeys } from './session/cancel-keys.ts'
import { Listener } from './session/listener.ts'
import type { SessionServices } from './session/session-services.ts'
import { ParserHost } from './sql/parser-host.ts'
import { DEFAULT_FRAME_LIMITS } from './wire/frame-reader.ts'

const APPLICATION_NAME = 'pgloom'

/** The composition root: builds all parts of a proxy, wires them, and takes them down in the opposite order. */
export class Router {
  readonly #config: Config
  readonly #access: Access
  readonly #pools: Pools
  readonly #databases: Databases
  readonly #metrics: Metrics
  readonly #traffic = new TrafficTable()
  readonly #log: Log
  #listener: Listener | undefined
  #http: HttpServer | undefined
  #isStopping = false

  private constructor(config: Config, log: Log) {
    this.#config = config
    this.#log = log
    this.#access = new Access(config, log)
    this.#pools = makePools(config, this.#access)
    this.#databases = new Databases({ config, pools: this.#pools, log })
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
    return `postgres://${user}@${listen.hosts[0]}:${port}/${encodeURIComponent(database)}`
  }

  /** Ends clients and connections. Safe to call after a start that failed half-way. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#listener?.close(this.#config.shutdown_timeout_ms)
    await this.#databases.stop()
    this.#pools.closeAll()
    this.#access.close()
    await this.#http?.stop()
  }

  async #open(): Promise<void> {
    const { http, listen } = this.#config
    await this.#databases.start()
    const services = await this.#sessionServices()
    const { hosts, port, max_client_conn: maxClients } = listen
    this.#listener = await Listener.open({ host: hosts[0] ?? '', port, maxClients }, services)
    if (!http.enabled) return
    this.#http = await HttpServer.start(http, {
      metrics: this.#metrics,
      notReadyReason: () => (this.#isStopping ? 'stopping' : undefined),
    })
    this.#log.info('serving HTTP', { url: `http://${http.host}:${this.#http.port}` })
  }

  async #sessionServices(): Promise<SessionServices> {
    const { listen, pool } = this.#config
    return {
      authenticator: this.#access.authenticator,
      credentials: this.#access.credentials,
      clientTls: this.#access.clientTls,
      cancelKeys: new CancelKeys(),
      parser: await ParserHost.create(),
      pools: this.#pools,
      log: this.#log,
      limits: { ...DEFAULT_FRAME_LIMITS, messageBytes: listen.max_message_bytes },
      loginTimeoutMs: listen.client_login_timeout_ms,
      acquireTimeoutMs: pool.query_wait_timeout_ms,
      observer: this.#metrics,
      traffic: this.#traffic,
      database: (name) => this.#databases.find(name),
    }
  }
}

function makePools(config: Config, access: Access): Pools {
  const { pool } = config
  return new Pools({
    ...DEFAULT_POOLS_OPTIONS,
    maxConnections: pool.default_pool_size,
    acquireTimeoutMs: pool.query_wait_timeout_ms,
    connectTimeoutMs: pool.server_connect_timeout_ms,
    idleTimeoutMs: pool.server_idle_timeout_ms,
    maxLifetimeMs: pool.server_lifetime_ms,
    credentialOf: ({ database, user }) => access.credentialOf(database, user),
    parameters: { application_name: APPLICATION_NAME },
  })
}
