import { type PoolKey, Pools, type PoolsOptions } from '../backend/pools.ts'
import { TrafficTable } from '../backend/traffic-counters.ts'
import type { Log } from '../base/log.ts'
import type { Config } from '../config/config.ts'
import { databasesToReconnect } from '../config/config-changes.ts'
import { QueryStatisticsSource } from '../control/query-statistics-source.ts'
import { StatCountersSource } from '../control/stat-counters.ts'
import { HttpServer } from '../ops/http-server.ts'
import { METRICS_TOPIC, Metrics } from '../ops/metrics.ts'
import type { ClientAtPool } from '../ops/pgbouncer-metrics.ts'
import type { ProcessHost } from '../processes/process-host.ts'
import type { ClientCustoms } from '../session/client/client-customs.ts'
import type { HeldSocket } from '../session/client/listening-ports.ts'
import type { ClientSession } from '../session/client-session.ts'
import { AT_ONCE, type DrainOptions, type Listener } from '../session/listener.ts'
import type { SessionServices } from '../session/session-services.ts'
import { SessionTimers } from '../session/session-timers.ts'
import { ParserHost } from '../sql/parser-host.ts'
import { DEFAULT_FRAME_LIMITS } from '../wire/frame-reader.ts'
import { Access } from './access.ts'
import { type ConsoleParts, makeConsole } from './console-wiring.ts'
import { Databases } from './databases.ts'
import { clientCustoms, poolsOptions, standingPools, timeLimits } from './pool-settings.ts'
import { ServerTargets } from './server-targets.ts'

/** The composition root: builds all parts of a proxy, wires them, and takes them down in the opposite order. */
export class Router {
  #config: Config
  #customs: ClientCustoms
  readonly #access: Access
  readonly #targets: ServerTargets
  readonly #pools: Pools
  readonly #timers: SessionTimers
  readonly #databases: Databases
  readonly #metrics: Metrics
  readonly #host: ProcessHost
  readonly #traffic = new TrafficTable()
  readonly #log: Log
  readonly #console: ConsoleParts
  #listener: Listener | undefined
  #http: HttpServer | undefined
  #isStopping = false
  #leads = false

  private constructor(config: Config, log: Log, host: ProcessHost) {
    this.#config = config
    this.#customs = clientCustoms(config)
    this.#host = host
    this.#log = log
    this.#access = new Access(config, log)
    const slots = host.connectionSlots
    this.#targets = new ServerTargets(config)
    this.#pools = new Pools({ ...this.#poolsOptions(), slots })
    this.#timers = new SessionTimers(timeLimits(config), undefined, (database) =>
      this.#databases.deadlockDetector(database),
    )
    this.#databases = new Databases({
      config,
      pools: this.#pools,
      serverTls: this.#access.serverTls,
      log,
      counters: new StatCountersSource({
        across: host.across,
        traffic: this.#traffic,
        pools: this.#pools,
      }),
      statistics: new QueryStatisticsSource(host.across, this.#traffic),
    })
    this.#metrics = new Metrics({
      pools: this.#pools,
      clients: () => this.#listener?.clientCount ?? 0,
      pins: () => this.#listener?.pins().map(({ reason }) => reason) ?? [],
      pgbouncer: {
        traffic: this.#traffic,
        pools: this.#pools,
        clientsAtPools: () => clientsAtPools(this.#listener?.sessions() ?? []),
      },
    })
    this.#console = this.#makeConsole()
  }

  /** What the console shows and does of this process. */
  #makeConsole(): ConsoleParts {
    return makeConsole({
      config: () => this.#config,
      log: this.#log,
      across: this.#host.across,
      isAlone: this.#host.servesHttp,
      supervisor: this.#host.supervisor,
      pools: this.#pools,
      traffic: this.#traffic,
      listener: () => this.#listener,
    })
  }

  /** Returns when clients are served. Rejects, with nothing left open, when a port or the coordinator can't be had. */
  static async start(config: Config, log: Log, host: ProcessHost): Promise<Router> {
    const router = new Router(config, log, host)
    try {
      await router.#open()
      return router
    } catch (error) {
      await router.stop()
      throw error
    }
  }

  /** Where clients connect; 0 where another process has the ports. */
  get port(): number {
    return this.#listener?.port ?? 0
  }

  /** The listening sockets of this process. */
  held(): HeldSocket[] {
    return [...(this.#listener?.ports?.held() ?? []), ...(this.#http?.held() ?? [])]
  }

  /** Whoever is connected stays. Rejects, and goes on as before, where any of it can't be used. */
  async reload(config: Config): Promise<void> {
    const databases = await this.#databases.prepare(config)
    try {
      this.#access.reload(config)
    } catch (error) {
      await databases.abandon()
      throw error
    }
    const isReconnected = databasesToReconnect(this.#config, config)
    this.#config = config
    this.#customs = clientCustoms(config)
    databases.commit()
    this.#targets.reload(config)
    this.#pools.reload(this.#poolsOptions())
    this.#timers.reload(timeLimits(config))
    for (const { database, pool } of this.#pools.list()) {
      if (isReconnected(database)) pool.reconnect()
    }
    if (!this.#leads) return
    this.#pools.stand(standingPools(config))
    this.#warnOfRules()
  }

  /** Sends clients away and ends connections. Safe to call after a start that failed half-way. */
  async stop(drain: DrainOptions = AT_ONCE): Promise<void> {
    this.#isStopping = true
    await this.#listener?.drain(drain)
    this.#console.process.stop()
    await this.#databases.stop()
    this.#pools.closeAll()
    this.#access.close()
    await this.stopHttp()
  }

  async stopHttp(): Promise<void> {
    await this.#http?.stop()
    this.#http = undefined
  }

  async #open(): Promise<void> {
    const host = this.#host
    if (host.isLeader) warnOfOnePhase(this.#config, this.#log)
    await this.#databases.start({ installs: host.isLeader, recovers: host.isLeader })
    host.onLead = () => this.#lead()
    const services = await this.#sessionServices()
    host.across.answer(METRICS_TOPIC, () => this.#metrics.values())
    await this.#console.process.adopt()
    if (host.isLeader) this.#lead()
    this.#listener = await host.openListener(services)
    if (host.servesHttp && this.#config.http.enabled) await this.#serveHttp()
  }

  /** What one process does for all. */
  #lead(): void {
    this.#leads = true
    this.#warnOfRules()
    this.#databases.recover()
    this.#pools.stand(standingPools(this.#config))
  }

  #warnOfRules(): void {
    for (const warning of this.#access.warnings) this.#log.warn(warning)
  }

  #poolsOptions(): Omit<PoolsOptions, 'slots'> {
    const targetOf = (key: PoolKey) => this.#targets.of(key)
    return { ...poolsOptions(this.#config, this.#access), targetOf }
  }

  async #serveHttp(): Promise<void> {
    const { http } = this.#config
    const sources = {
      metrics: this.#metrics,
      notReadyReason: () => (this.#isStopping ? 'stopping' : undefined),
    }
    this.#http = await HttpServer.start(http, sources, this.#host.taken)
    this.#log.info('serving HTTP', { url: `http://${http.host}:${this.#http.port}` })
  }

  async #sessionServices(): Promise<SessionServices> {
    const listen = () => this.#config.listen
    const customs = () => this.#customs
    return {
      authenticator: this.#access.authenticator,
      credentials: this.#access.credentials,
      clientTls: this.#access.clientTls,
      cancelKeys: this.#host.cancelKeys,
      clientSlots: this.#host.clientSlots,
      parser: await ParserHost.create(),
      pools: this.#pools,
      log: this.#log,
      get limits() {
        return { ...DEFAULT_FRAME_LIMITS, messageBytes: listen().max_message_bytes }
      },
      get customs() {
        return customs()
      },
      timers: this.#timers,
      observer: this.#metrics,
      traffic: this.#traffic,
      console: this.#console.console,
      database: (name) => {
        this.#console.gates.checkEnabled(name)
        return this.#databases.find(name)
      },
    }
  }
}

function clientsAtPools(sessions: readonly ClientSession[]): readonly ClientAtPool[] {
  return sessions.flatMap(({ login, servers }) => {
    if (login === undefined) return []
    const { database, user } = login
    return { database, user, isWaiting: (servers?.waitingSinceMs ?? 0) !== 0 }
  })
}

/** Once for all processes. */
function warnOfOnePhase({ multi_shard_commit_protocol: protocol }: Config, log: Log): void {
  if (protocol === '2pc') return
  log.warn(
    'multi_shard_commit_protocol is 1pc: a commit over servers without max_prepared_transactions may be left half-done',
  )
}
