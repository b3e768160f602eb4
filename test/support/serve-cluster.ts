import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EmbeddedCluster } from '../../lib/embedded/embedded-cluster.ts'
import type { EmbeddedNode } from '../../lib/embedded/embedded-node.ts'
import { PgloomProcess } from './pgloom-process.ts'
import { temporaryDirectory, testCluster } from './postgres-cluster.ts'
import { RawClient } from './raw-client.ts'
import { ServerRelay } from './server-relay.ts'
import type { Teardown } from './stock-postgres.ts'

/** Postgres servers that live on when a proxy dies, and any number of `pgloom serve` in front of them. */
export class ServeCluster {
  readonly #servers: EmbeddedCluster
  readonly #configFile: string
  readonly #t: Teardown
  /** One for each server, in their order; none unless asked for. */
  readonly relays: readonly ServerRelay[]

  private constructor(
    t: Teardown,
    servers: EmbeddedCluster,
    configFile: string,
    relays: readonly ServerRelay[],
  ) {
    this.#t = t
    this.#servers = servers
    this.#configFile = configFile
    this.relays = relays
  }

  /** Servers run, their coordinator knows its workers, no proxy runs yet. */
  static async start(
    t: Teardown,
    workers: number,
    options: ServeOptions = {},
  ): Promise<ServeCluster> {
    const servers = await testCluster(t, workers)
    const relays = options.relayed === true ? await relayed(t, servers) : []
    const configFile = join(temporaryDirectory(t), 'pgloom.yaml')
    const [coordinator, ...others] = servers.nodes.map(({ host, port }, index) => ({
      host,
      port: relays[index]?.port ?? port,
    }))
    if (coordinator === undefined) throw new Error('no coordinator')
    const { pollIntervalMs = 500, config = '' } = options
    writeFileSync(configFile, configOf(coordinator.host, coordinator.port, pollIntervalMs) + config)
    const cluster = new ServeCluster(t, servers, configFile, relays)
    const proxy = await cluster.startProxy()
    const client = await RawClient.connect(proxy.url)
    await client.run(
      `SELECT citus_set_coordinator_host('${coordinator.host}', ${coordinator.port})`,
    )
    for (const { host, port } of others)
      await client.run(`SELECT citus_add_node('${host}', ${port})`)
    client.close()
    await proxy.stop()
    return cluster
  }

  /** One more proxy, on a port of its own; it ends with the test. */
  async startProxy(): Promise<PgloomProcess> {
    const proxy = await PgloomProcess.start({ args: ['serve', '--config', this.#configFile] })
    this.#t.teardown(async () => {
      await proxy.stop()
    })
    return proxy
  }

  /** The coordinator first. */
  get servers(): readonly EmbeddedNode[] {
    return this.#servers.nodes
  }

  /** Addresses of all servers for the superuser, without any proxy. */
  get nodeUrls(): readonly string[] {
    return this.#servers.nodes.map(({ host, port }) => `postgres://postgres@${host}:${port}/app`)
  }
}

export type ServeOptions = {
  /** Proxies reach the servers only through relays. */
  readonly relayed?: boolean
  /** More lines of the configuration file. */
  readonly config?: string
  /** How often proxies look for changed metadata that nobody told them of. */
  readonly pollIntervalMs?: number
}

function relayed(t: Teardown, { nodes }: EmbeddedCluster): Promise<ServerRelay[]> {
  return Promise.all(nodes.map((node, index) => ServerRelay.start(t, index, () => node.port)))
}

function configOf(host: string, port: number, pollIntervalMs: number): string {
  return `
listen: { port: 0 }
processes: 1
http: { port: 0 }
coordinator: { host: ${host}, port: ${port} }
databases: [app, { name: '*' }]
auth: { type: trust }
metadata_poll_interval_ms: ${pollIntervalMs}
recover_2pc_interval_ms: 1000
`
}
