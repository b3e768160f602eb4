import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchArguments, SystemName } from './arguments.ts'
import { closeWatchdogs, killChildren } from './child-processes.ts'
import type { Target } from './cpu-meter.ts'
import { initialisePgbench, pgbenchVersion } from './pgbench.ts'
import { HOW_TO_GET_PGBOUNCER, pgbouncerVersion, startPgbouncer } from './pgbouncer.ts'
import { type PgloomBuild, startPgloom } from './pgloom.ts'
import { PostgresServers } from './postgres-servers.ts'
import type { Setting } from './scenarios.ts'
import { BENCH_DATABASE, BENCH_USER, directSystem, type System } from './system.ts'

/** The build that this file is part of. */
const OWN_MAIN = fileURLToPath(new URL('../lib/main.js', import.meta.url))

/** Everything that is started for a run, in a directory of its own; `close` leaves nothing. */
export class BenchWorld {
  readonly directory: string
  readonly #args: BenchArguments
  readonly #say: (line: string) => void
  readonly #closers: (() => Promise<void>)[] = []
  #stock: PostgresServers | undefined

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

  /** The systems that can be had, in the order of the arguments. */
  async targets(_setting: Setting): Promise<readonly Target[]> {
    const targets: Target[] = []
    for (const name of this.#args.systems) {
      const target = await this.#target(name)
      if (target !== undefined) targets.push(target)
    }
    return targets
  }

  /** The last started is stopped first. */
  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close().catch(() => undefined)
    this.#closers.length = 0
    killChildren()
    closeWatchdogs()
  }

  async #target(name: SystemName): Promise<Target | undefined> {
    const servers = await this.#stockServer()
    if (name === 'direct') {
      return { servers, system: directSystem(servers.first, await servers.version()) }
    }
    if (name === 'pgbouncer') {
      const system = await this.#pgbouncer(servers)
      return system && { servers, system }
    }
    const system = await startPgloom(buildOf(name), servers.first, this.directory)
    this.#closers.push(() => system.stop())
    return { servers, system }
  }

  async #pgbouncer(servers: PostgresServers): Promise<System | undefined> {
    const { pgbouncer } = this.#args
    const version = await pgbouncerVersion(pgbouncer)
    if (version === undefined) {
      this.#say(`*** ${HOW_TO_GET_PGBOUNCER}. Going on without it, and so without ratios. ***`)
      return undefined
    }
    const system = await startPgbouncer(pgbouncer, version, servers.first, this.directory)
    this.#closers.push(() => system.stop())
    return system
  }

  async #stockServer(): Promise<PostgresServers> {
    if (this.#stock !== undefined) return this.#stock
    const { postgresBin, pgbench, scale } = this.#args
    const servers = await PostgresServers.startStock(this.directory, postgresBin)
    this.#closers.push(() => servers.stop())
    this.#say(`loading ${scale * 100_000} accounts`)
    const target = { port: servers.first.port, user: BENCH_USER, database: BENCH_DATABASE }
    await initialisePgbench(pgbench, target, scale, 'dtgvp')
    this.#stock = servers
    return servers
  }
}

export const HOW_TO_GET_PGBENCH =
  'pgbench is not installed: apt-get install postgresql-contrib (or brew install postgresql), or name one with --pgbench PATH'

export async function requirePgbench(pgbench: string): Promise<string> {
  const version = await pgbenchVersion(pgbench)
  if (version === undefined) throw new Error(HOW_TO_GET_PGBENCH)
  return version
}

function buildOf(name: SystemName): PgloomBuild {
  const [, path] = name.split('@')
  return { name, main: path === undefined ? OWN_MAIN : resolve(path) }
}
