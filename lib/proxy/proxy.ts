import { fileURLToPath } from 'node:url'
import { LocalSlots } from '../backend/local-slots.ts'
import type { Json } from '../base/across-processes.ts'
import type { Log } from '../base/log.ts'
import type { Config } from '../config/config.ts'
import { HttpServer, type HttpSources } from '../ops/http-server.ts'
import { METRICS_TOPIC } from '../ops/metrics.ts'
import { METRICS_CONTENT_TYPE, summedMetrics } from '../ops/summed-metrics.ts'
import { descriptorShortage, watchDescriptors } from '../processes/descriptor-limit.ts'
import { Primary } from '../processes/primary.ts'
import { AloneHost } from '../processes/process-host.ts'
import type { StopMode, Supervisor } from '../processes/supervisor.ts'
import { type CancelKey, CancelKeys } from '../session/client/cancel-keys.ts'
import { type HeldSocket, TakenSockets } from '../session/client/listening-ports.ts'
import { AT_ONCE, type DrainOptions } from '../session/listener.ts'
import { listeningOptions } from './listening-config.ts'
import { clientLimits, slotLimits } from './pool-settings.ts'
import { Router } from './router.ts'

/** A proxy that serves clients, of one process or of many. */
export interface RunningProxy {
  readonly port: number
  /** Never resolves; rejects when the proxy can't go on. */
  readonly failed: Promise<never>
  /** What a client of another proxy sent there. */
  cancel(key: CancelKey): void
  /** The listening sockets, for a process that takes over. */
  held(): HeldSocket[]
  /** Whoever is connected stays. Rejects, and goes on as before, where it can't be used. */
  reload(config: Config): Promise<void>
  stop(how: StopMode): Promise<void>
}

export type ProxyOptions = {
  readonly config: Config
  readonly log: Log
  readonly processes: number
  readonly supervisor: Supervisor
  /** Takes cancel keys that this proxy didn't give out. */
  readonly foreignKey: (key: CancelKey) => void
  /** Asked when everything else is ready; what another process hands over. */
  readonly takeSockets?: () => Promise<TakenSockets>
}

const FAST_GRACE_MS = 500
/** Clients of a proxy that was taken over leave within this, unless they are never quiet. */
const PATIENCE_MS = 60_000
const QUIET_MS = 1000
/** The longest that timers can. */
const FOR_EVER_MS = 2 ** 31 - 1

const WORKER_ENTRY = fileURLToPath(new URL('./worker-main.js', import.meta.url))
const ANSWER_LIMIT_MS = 2000

/** Rejects with nothing left running. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { config, log } = options
  const shortage = descriptorShortage(config.listen.max_client_conn)
  if (shortage !== undefined) log.warn(shortage)
  watchDescriptors(log)
  const slots = new LocalSlots(slotLimits(config))
  slots.start()
  try {
    return await (options.processes === 1 ? startAlone(options, slots) : startMany(options, slots))
  } catch (error) {
    slots.stop()
    throw error
  }
}

async function startAlone(options: ProxyOptions, slots: LocalSlots): Promise<RunningProxy> {
  const { config, log, takeSockets, supervisor, foreignKey } = options
  const cancelKeys = new CancelKeys({ processNumber: 1, forward: foreignKey })
  const host = new AloneHost({
    listening: listeningOptions(config),
    clientLimits: clientLimits(config),
    cancelKeys,
    connectionSlots: slots,
    supervisor,
    ...(takeSockets === undefined ? {} : { takeSockets }),
  })
  const router = await Router.start(config, log, host)
  return {
    port: router.port,
    failed: new Promise(() => undefined),
    cancel: (key) => void cancelKeys.cancelOwn(key),
    held: () => router.held(),
    reload: async (next) => {
      await router.reload(next)
      slots.reload(slotLimits(next))
      host.clientSlots.reload(clientLimits(next))
    },
    stop: async (how) => {
      // the one that took over answers there, too
      if (how === 'handed over') await router.stopHttp()
      await router.stop(drainOptions(how, config))
      slots.stop()
    },
  }
}

async function startMany(options: ProxyOptions, slots: LocalSlots): Promise<RunningProxy> {
  const { config, log, processes, takeSockets, supervisor, foreignKey } = options
  const primary = await Primary.start({
    processes,
    entry: WORKER_ENTRY,
    config: config as unknown as Json,
    clientLimits: clientLimits(config),
    listening: listeningOptions(config),
    supervisor,
    connectionSlots: slots,
    foreignKey,
    log,
  })
  let isStopping = false
  try {
    const taken = (await takeSockets?.()) ?? new TakenSockets()
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
      cancel: (key) => primary.cancel(key),
      held: () => [...ports.held(), ...(http?.held() ?? [])],
      reload: async (next) => {
        await primary.reload(next as unknown as Json, clientLimits(next))
        slots.reload(slotLimits(next))
      },
      stop: async (how) => {
        isStopping = true
        // the one that took over answers there, too
        if (how === 'handed over') await http?.stop()
        await primary.stop(drainOptions(how, config))
        if (how !== 'handed over') await http?.stop()
        slots.stop()
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
        const { answers, silent } = await primary.ask(METRICS_TOPIC, null, ANSWER_LIMIT_MS)
        const { readyCount: ready, restartCount: restarts } = primary
        return summedMetrics(
          answers.map(({ answer }) => answer),
          { ready, restarts, silent: silent.length },
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
    case 'when clients left':
      return { patienceMs: FOR_EVER_MS, quietMs: FOR_EVER_MS, graceMs: shutdown_timeout_ms }
    case 'handed over':
      return { patienceMs: PATIENCE_MS, quietMs: QUIET_MS, graceMs: shutdown_timeout_ms }
  }
}
