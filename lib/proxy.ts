import { fileURLToPath } from 'node:url'
import type { Json } from './base/across-processes.ts'
import type { Log } from './base/log.ts'
import type { Config } from './config/config.ts'
import { listeningOptions } from './listening-config.ts'
import { HttpServer, type HttpSources } from './ops/http-server.ts'
import { METRICS_TOPIC } from './ops/metrics.ts'
import { METRICS_CONTENT_TYPE, summedMetrics } from './ops/summed-metrics.ts'
import { Primary } from './processes/primary.ts'
import { AloneHost } from './processes/process-host.ts'
import { Router } from './router.ts'
import { type CancelKey, CancelKeys } from './session/cancel-keys.ts'
import { AT_ONCE, type DrainOptions } from './session/listener.ts'
import type { HeldSocket, TakenSockets } from './session/listening-ports.ts'

/** A proxy that serves clients, of one process or of many. */
export interface RunningProxy {
  readonly port: number
  /** Never resolves; rejects when the proxy can't go on. */
  readonly failed: Promise<never>
  /** Takes cancel keys that this proxy didn't give out. */
  onForeignKey: ((key: CancelKey) => void) | undefined
  /** What a client of another proxy sent there. */
  cancel(key: CancelKey): void
  /** The listening sockets, for a process that takes over. */
  held(): HeldSocket[]
  stop(how: StopMode): Promise<void>
}

export type ProxyOptions = {
  readonly config: Config
  readonly log: Log
  readonly processes: number
  /** Asked when everything else is ready; what another process hands over. */
  readonly takeSockets?: () => Promise<TakenSockets>
}

/** gentle: open transactions get their time; fast: hardly any; handed over: clients go when they are idle for a while. */
export type StopMode = 'gentle' | 'fast' | 'handed over'

const FAST_GRACE_MS = 500
/** Clients of a proxy that was taken over leave within this, unless they are never quiet. */
const PATIENCE_MS = 60_000
const QUIET_MS = 1000

const WORKER_ENTRY = fileURLToPath(new URL('./worker-main.js', import.meta.url))
const ANSWER_LIMIT_MS = 2000
const NO_SOCKETS: TakenSockets = new Map<string, object>()

/** Rejects with nothing left running. */
export function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  return options.processes === 1 ? startAlone(options) : startMany(options)
}

async function startAlone({ config, log, takeSockets }: ProxyOptions): Promise<RunningProxy> {
  const cancelKeys = new CancelKeys({
    processNumber: 1,
    forward: (key) => proxy.onForeignKey?.(key),
  })
  const host = new AloneHost({
    listening: listeningOptions(config),
    maxClients: config.listen.max_client_conn,
    cancelKeys,
    ...(takeSockets === undefined ? {} : { takeSockets }),
  })
  const router = await Router.start(config, log, host)
  const proxy: RunningProxy = {
    port: router.port,
    failed: new Promise(() => undefined),
    onForeignKey: undefined,
    cancel: (key) => void cancelKeys.cancelOwn(key),
    held: () => router.held(),
    stop: (how) => router.stop(drainOptions(how, config)),
  }
  return proxy
}

async function startMany(options: ProxyOptions): Promise<RunningProxy> {
  const { config, log, processes, takeSockets } = options
  const primary = await Primary.start({
    processes,
    entry: WORKER_ENTRY,
    config: config as unknown as Json,
    maxClients: config.listen.max_client_conn,
    listening: listeningOptions(config),
    log,
  })
  let isStopping = false
  try {
    const taken = (await takeSockets?.()) ?? NO_SOCKETS
    const ports = await primary.listen(taken)
    const sources = primarySources(primary, () => isStopping)
    const http = config.http.enabled
      ? await HttpServer.start(config.http, sources, taken)
      : undefined
    if (http !== undefined) {
      log.info('serving HTTP', { url: `http://${config.http.host}:${http.port}` })
    }
    return {
      port: ports.port,
      failed: primary.failed,
      get onForeignKey() {
        return primary.onForeignKey
      },
      set onForeignKey(take) {
        primary.onForeignKey = take
      },
      cancel: (key) => primary.cancel(key),
      held: () => [...ports.held(), ...(http?.held() ?? [])],
      stop: async (how) => {
        isStopping = true
        await primary.stop(drainOptions(how, config))
        await http?.stop()
      },
    }
  } catch (error) {
    await primary.stop(AT_ONCE)
    throw error
  }
}

function primarySources(primary: Primary, isStopping: () => boolean): HttpSources {
  return {
    metrics: {
      contentType: METRICS_CONTENT_TYPE,
      scrape: async () => {
        const answers = await primary.ask(METRICS_TOPIC, null, ANSWER_LIMIT_MS)
        const { readyCount: ready, restartCount: restarts } = primary
        return summedMetrics(
          answers.map(({ answer }) => answer),
          { ready, restarts },
        )
      },
    },
    notReadyReason: () => {
      if (isStopping()) return 'stopping'
      return primary.readyCount > 0 ? undefined : 'no worker process is ready'
    },
  }
}

function drainOptions(how: StopMode, { shutdown_timeout_ms }: Config): DrainOptions {
  switch (how) {
    case 'gentle':
      return { ...AT_ONCE, graceMs: shutdown_timeout_ms }
    case 'fast':
      return { ...AT_ONCE, graceMs: Math.min(FAST_GRACE_MS, shutdown_timeout_ms) }
    case 'handed over':
      return { patienceMs: PATIENCE_MS, quietMs: QUIET_MS, graceMs: shutdown_timeout_ms }
  }
}
