import { join } from 'node:path'
import pg from 'pg'
import type { Log } from '../base/log.ts'
import type { Config } from '../config/config.ts'
import { completeConfig } from '../config/config-loader.ts'
import type { NodeAddress } from '../control/metadata-schema.ts'
import { type EmbeddedCluster, startEmbeddedCluster } from '../embedded/embedded-cluster.ts'
import { isPortFree } from '../embedded/free-port.ts'
import { type StopMode, SupervisorPost } from '../processes/supervisor.ts'
import { clientUrl } from '../proxy/listening-config.ts'
import { type ProxyOptions, type RunningProxy, startProxy } from '../proxy/proxy.ts'
import type { DevArguments } from './command-line.ts'
import { registerDevNodes } from './dev-registration.ts'

const HOST = '127.0.0.1'
/** Often: a development proxy is killed more often than it sleeps. */
const RECOVERY_INTERVAL_MS = 3000
const NOTHING_TO_RELOAD = 'pgloom dev has no configuration file to read again'
const MAX_CLIENTS = 10_000

export type Running = {
  readonly url: string
  /** Never resolves; rejects when it can't go on. */
  readonly failed: Promise<never>
  /** Resolves when an administrator, or a process that took over, wants it to end. */
  readonly stopAsked: Promise<StopMode>
  /** Reads the configuration again. */
  reload(): Promise<void>
  stop(how: StopMode): Promise<void>
}

/** `pgloom dev`: servers of our own and the proxy in front of them. Rejects with nothing left running. */
export async function startDev(args: DevArguments, log: Log): Promise<Running> {
  const startedAtMs = performance.now()
  await assertFree(args.port, '--port')
  await assertFree(args.httpPort, '--http-port')
  const { dataDirectory, workers, database, postgresBin } = args
  const cluster = await startEmbeddedCluster({ dataDirectory, workers, database, postgresBin, log })
  try {
    const config = devConfig(args, cluster)
    const supervisor = new SupervisorPost({
      reload: () => Promise.reject(new Error(NOTHING_TO_RELOAD)),
      set: () => Promise.resolve(false),
    })
    const { processes } = args
    const proxy = await startBefore(cluster, args, {
      config,
      log,
      processes,
      supervisor,
      foreignKey: () => undefined,
    })
    const elapsedMs = Math.round(performance.now() - startedAtMs)
    log.info('the embedded cluster is up', { servers: cluster.nodes.length, elapsedMs })
    const stop = async (how: StopMode) => {
      await proxy.stop(how)
      await cluster.stop()
    }
    const url = clientUrl(config, proxy.port, database)
    const { stopAsked } = supervisor
    return { url, failed: proxy.failed, stopAsked, reload: () => supervisor.reload(), stop }
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

async function startBefore(
  cluster: EmbeddedCluster,
  args: DevArguments,
  options: ProxyOptions,
): Promise<RunningProxy> {
  const { database } = args
  const { config, log } = options
  const file = join(args.dataDirectory, 'registration.json')
  const { nodes } = cluster
  for (const { dataDirectory, host, port } of nodes) {
    log.info('a Postgres server is up', { dataDirectory, host, port })
  }
  const missing = await registerDevNodes({ database, nodes, file })
  const proxy = await startProxy(options)
  try {
    await addWorkers(clientUrl(config, proxy.port, database), missing)
    return proxy
  } catch (error) {
    await proxy.stop('fast')
    throw error
  }
}

/** Workers that came later get the tables there are, so it is done as a user would do it. */
async function addWorkers(url: string, workers: readonly NodeAddress[]): Promise<void> {
  if (workers.length === 0) return
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const { host, port } of workers) {
      await client.query(`SELECT citus_add_node(${pg.escapeLiteral(host)}, ${port})`)
    }
  } finally {
    await client.end()
  }
}

/** Whoever is on this machine may do everything: that is what a development cluster is for. */
function devConfig(args: DevArguments, { nodes }: EmbeddedCluster): Config {
  const [coordinator] = nodes
  return completeConfig({
    listen: { host: HOST, port: args.port, max_client_conn: MAX_CLIENTS },
    http: { host: HOST, port: args.httpPort },
    coordinator: { host: coordinator?.host, port: coordinator?.port },
    databases: [args.database, { name: '*' }],
    auth: { type: 'trust' },
    console: { admin_users: [CONSOLE_USER] },
    recover_2pc_interval_ms: RECOVERY_INTERVAL_MS,
  })
}

/** The user of the address that is printed. */
const CONSOLE_USER = 'app'

/** Before anything is started, so that a taken port costs nothing; the binding itself is checked again. */
async function assertFree(port: number, option: string): Promise<void> {
  if (port === 0 || (await isPortFree(HOST, port))) return
  throw new Error(
    `port ${port} of ${HOST} is taken: stop what listens there, or choose another with ${option}`,
  )
}
