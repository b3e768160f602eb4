import type { Figures } from './figures.ts'
import type { PostgresServers } from './postgres-servers.ts'
import {
  endedChildrenCpuUs,
  hasProcessFigures,
  machineBusyUs,
  machineCapacityUs,
  treeCpuUs,
} from './process-cpu.ts'
import type { System } from './system.ts'

export type Target = { readonly system: System; readonly servers: PostgresServers }

type Reading = {
  readonly atMs: number
  readonly proxy: number
  readonly postgres: number
  readonly client: number
  readonly machine: number
}

/** CPU that a system, its servers and its clients use from now on. Clients are our children that end meanwhile. */
export class CpuMeter {
  readonly #target: Target
  readonly #start: Reading

  constructor(target: Target) {
    this.#target = target
    this.#start = read(target)
  }

  /** For each of `units` of work done since the start. */
  perUnit(units: number): Figures {
    if (!hasProcessFigures) return {}
    const end = read(this.#target)
    const start = this.#start
    const proxy = end.proxy - start.proxy
    const postgres = end.postgres - start.postgres
    const client = end.client - start.client
    const total = proxy + postgres + client
    const foreign = Math.max(0, end.machine - start.machine - total)
    return {
      proxyCpuUs: proxy / units,
      postgresCpuUs: postgres / units,
      clientCpuUs: client / units,
      totalCpuUs: total / units,
      foreignCpuPercent: (100 * foreign) / machineCapacityUs(end.atMs - start.atMs),
    }
  }
}

function read({ system, servers }: Target): Reading {
  return {
    atMs: performance.now(),
    proxy: system.pid === undefined ? 0 : treeCpuUs(system.pid),
    postgres: servers.cpuUs(),
    client: endedChildrenCpuUs(),
    machine: machineBusyUs(),
  }
}
