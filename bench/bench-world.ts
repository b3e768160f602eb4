import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchArguments, SystemName } from './arguments.ts'
import { loadAnalysis, loadCluster, loadStock } from './bench-data.ts'
import { closeWatchdogs, killChildren } from './child-processes.ts'
import type { Target } from './cpu-meter.ts'
import { HOW_TO_GET_PGBOUNCER, pgbouncerVersion, startPgbouncer } from './pgbouncer.ts'
import { readBuild, startPgloom } from './pgloom.ts'
import { PostgresServers } from './postgres-servers.ts'
import type { Scenario } from './scenarios.ts'
import { directSystem, type ServerAddress, type System } from './system.ts'

/** The build that this file is part of. */
const OWN_MAIN = fileURLToPath(new URL('../lib/main.js', import.meta.url))

/** Everything that is started for a run, in a directory of its own; `close` leaves nothing. */
export class BenchWorld {
  readonly directory: string
  readonly #args: BenchArguments
  readonly #say: (line: string) => void
  readonly #closers: (() => Promise<void>)[] = []
  readonly #targets = new Map<string, Promise<Target | undefined>>()
  #stock: Promise<PostgresServers> | undefined
  #cluster: Promise<PostgresServers> | undefined
  #isClusterLoaded = false
  readonly #loadedForAnalysis = new Set<PostgresServers>()

  constructor(args: BenchArguments, say: (line: string) => void) {
    this.#args = args
    this.#say = say
    this.directory = mkdtempSync(join(tmpdir(), 'pgloom-bench-'))
    // The servers and PgBouncer may run as another user.
    chmodSync(this.directory, 0o755)
    process.once('exit', () => {
      killChildren()
      rmSync(this.directory, { recursive: true, force: true })
    })
  }

  /** The systems that can be had, in the order of the arguments. Started when first asked for. */
  async targets({ setting, isAnalysis }: Scenario): Promise<readonly Target[]> {
    const targets: Target[] = []
    for (const name of this.#args.systems) {
      const target = await this.#target(name, setting)
      if (target !== undefined) targets.push(target)
    }
    if (isAnalysis === true) for (const target of targets) await this.#loadAnalysis(target)
    return targets
  }

  /** The last started is stopped first. */
  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close().catch(() => undefined)
    this.#closers.length = 0
    killChildren()
    closeWatchdogs()
  }

  /** Only pgloom knows clusters: the others are the same there as on the ordinary server. */
  #target(name: SystemName, setting: Scenario['setting']): Promise<Target | undefined> {
    const shared = name.startsWith('pgloom') || setting === 'fresh' ? setting : 'stock'
    const key = `${name} ${shared}`
    const known = this.#targets.get(key)
    if (known !== undefined) return known
    const target = shared === 'cluster' ? this.#clusterTarget(name) : this.#stockTarget(name)
    this.#targets.set(key, target)
    return target
  }

  async #stockTarget(name: SystemName): Promise<Target | undefined> {
    const servers = await this.#stockServers()
    const system = await this.#startSystem(name, servers)
    if (system === undefined) return undefined
    this.#closers.push(() => system.stop())
    this.#say(`${name}: ${system.version}`)
    return { servers, system }
  }

  async #startSystem(name: SystemName, servers: PostgresServers): Promise<System | undefined> {
    switch (name) {
      case 'direct':
        return directSystem(servers.first, await servers.version())
      case 'pgbouncer':
        return await this.#pgbouncer(servers)
      default:
        return await this.#pgloom(name, servers)
    }
  }

  #behindProxy(servers: PostgresServers): ServerAddress {
    return servers.behindProxy(servers.first, this.#args.serverTransport)
  }

  #pgloom(name: SystemName, servers: PostgresServers): Promise<System> {
    const build = readBuild(name, OWN_MAIN)
    return startPgloom(build, this.#behindProxy(servers), this.directory, this.#args.profile)
  }

  async #pgbouncer(servers: PostgresServers): Promise<System | undefined> {
    const { pgbouncer } = this.#args
    const version = await pgbouncerVersion(pgbouncer)
    if (version !== undefined) {
      return await startPgbouncer(pgbouncer, version, this.#behindProxy(servers), this.directory)
    }
    this.#say(`*** ${HOW_TO_GET_PGBOUNCER}. Going on without it, and so without ratios. ***`)
    return undefined
  }

  async #clusterTarget(name: SystemName): Promise<Target | undefined> {
    if (readBuild(name, OWN_MAIN).isPooledOnly) return undefined
    const { pgbench, scale, serverTransport } = this.#args
    const servers = await this.#clusterServers()
    const system = await this.#pgloom(name, servers)
    this.#closers.push(() => system.stop())
    if (!this.#isClusterLoaded) {
      this.#say(`loading the cluster: ${servers.nodes.length} servers`)
      await loadCluster(servers, serverTransport, system.port, pgbench, scale)
      this.#isClusterLoaded = true
    }
    return { servers, system }
  }

  /** Once for all systems of the same servers. */
  async #loadAnalysis({ system, servers }: Target): Promise<void> {
    if (this.#loadedForAnalysis.has(servers)) return
    this.#loadedForAnalysis.add(servers)
    this.#say(`loading 2,000,000 rows through ${system.name}`)
    const address = { host: '127.0.0.1', port: system.port }
    await loadAnalysis(servers, address, servers.nodes.length > 1)
  }

  #clusterServers(): Promise<PostgresServers> {
    const { postgresBin } = this.#args
    this.#cluster ??= this.#kept(PostgresServers.startCluster(this.directory, postgresBin))
    return this.#cluster
  }

  #stockServers(): Promise<PostgresServers> {
    this.#stock ??= this.#loadedStock()
    return this.#stock
  }

  async #loadedStock(): Promise<PostgresServers> {
    const { postgresBin, pgbench, scale } = this.#args
    const servers = await this.#kept(PostgresServers.startStock(this.directory, postgresBin))
    this.#say(`loading ${scale * 100_000} accounts`)
    await loadStock(servers, pgbench, scale)
    return servers
  }

  async #kept(starting: Promise<PostgresServers>): Promise<PostgresServers> {
    const servers = await starting
    this.#closers.push(() => servers.stop())
    return servers
  }
}
