import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { Log } from '../lib/base/log.ts'
import { startEmbeddedCluster, startEmbeddedNode } from '../lib/embedded/embedded-cluster.ts'
import type { EmbeddedNode } from '../lib/embedded/embedded-node.ts'
import { treeCpuUs } from './process-cpu.ts'
import { BENCH_DATABASE, BENCH_USER, type ServerAddress, type ServerTransport } from './system.ts'

const WORKERS = 2
/** Connections without a proxy need one server process each. */
const SETTINGS: Readonly<Record<string, string>> = {
  max_connections: '600',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  fsync: 'off',
}

/** Running servers whose CPU is counted together. */
export class PostgresServers {
  readonly nodes: readonly EmbeddedNode[]
  readonly stop: () => Promise<void>
  /** Of their Unix sockets. */
  readonly #sockets: string
  #isDurable = false

  private constructor(nodes: readonly EmbeddedNode[], sockets: string, stop: () => Promise<void>) {
    this.nodes = nodes
    this.stop = stop
    this.#sockets = sockets
  }

  /** One ordinary server. */
  static async startStock(
    parent: string,
    postgresBin: string | undefined,
  ): Promise<PostgresServers> {
    const { node, stop } = await startEmbeddedNode(optionsOf(parent, 'stock', postgresBin))
    return PostgresServers.#configured([node], parent, stop)
  }

  /** A coordinator and two workers that don't know each other yet. */
  static async startCluster(
    parent: string,
    postgresBin: string | undefined,
  ): Promise<PostgresServers> {
    const options = { ...optionsOf(parent, 'cluster', postgresBin), workers: WORKERS }
    const { nodes, stop } = await startEmbeddedCluster(options)
    return PostgresServers.#configured(nodes, parent, stop)
  }

  static async #configured(
    nodes: readonly EmbeddedNode[],
    parent: string,
    stop: () => Promise<void>,
  ): Promise<PostgresServers> {
    const sockets = join(parent, 'sockets')
    mkdirSync(sockets, { recursive: true })
    // the servers may run as another user
    chmodSync(sockets, 0o777)
    const servers = new PostgresServers(nodes, sockets, stop)
    try {
      for (const [name, value] of Object.entries(SETTINGS)) await servers.#set(name, value)
      await servers.#set('unix_socket_directories', sockets)
      await Promise.all(nodes.map((node) => node.stop()))
      await Promise.all(nodes.map((node) => node.start()))
      return servers
    } catch (error) {
      await stop()
      throw error
    }
  }

  /** The only server, or the coordinator. Ports are new after each start. */
  get first(): ServerAddress {
    const [node] = this.nodes
    if (node === undefined) throw new Error('no server')
    return node
  }

  /** As a proxy beside it reaches it: by TCP, or by its Unix socket. */
  behindProxy({ host, port }: ServerAddress, transport: ServerTransport): ServerAddress {
    return { host: transport === 'unix' ? this.#sockets : host, port }
  }

  /** Microseconds of all servers' processes since their start. */
  cpuUs(): number {
    return this.nodes.reduce((sum, { postmasterPid }) => sum + treeCpuUs(postmasterPid), 0)
  }

  /** Whether commits wait for the disk. */
  async setDurable(isDurable: boolean): Promise<void> {
    if (isDurable === this.#isDurable) return
    await this.#set('fsync', isDurable ? 'on' : 'off')
    await this.each('SELECT pg_reload_conf()')
    this.#isDurable = isDurable
  }

  /** As superuser, on each server. */
  async each(sql: string): Promise<void> {
    for (const node of this.nodes) await runSql(node, 'postgres', sql)
  }

  async version(): Promise<string> {
    const rows = await runSql(this.first, 'postgres', 'SHOW server_version')
    return `Postgres ${String(rows[0]?.['server_version'])}`
  }

  async #set(name: string, value: string): Promise<void> {
    await this.each(`ALTER SYSTEM SET ${name} = ${pg.escapeLiteral(value)}`)
  }
}

export async function runSql(
  { host, port }: ServerAddress,
  user: string,
  sql: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new pg.Client({ host, port, user, database: BENCH_DATABASE, password: '' })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows
  } finally {
    await client.end()
  }
}

/** As the user of the bench, one statement after the other. */
export async function runScript(address: ServerAddress, script: readonly string[]): Promise<void> {
  for (const sql of script) await runSql(address, BENCH_USER, sql)
}

function optionsOf(parent: string, name: string, postgresBin: string | undefined) {
  const dataDirectory = join(parent, name)
  mkdirSync(dataDirectory, { mode: 0o755 })
  return { dataDirectory, database: BENCH_DATABASE, postgresBin, log: new Log('error') }
}
