import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'
import type { ServerTransport } from './system.ts'

/** Where and when a result was made: figures of different machines must not be compared. */
export type Surroundings = {
  readonly date: string
  readonly machine: string
  readonly node: string
  readonly pgbench: string
  readonly loadBefore: number
  readonly rounds: number
  readonly seconds: number
  readonly serverTransport: ServerTransport
}

export function surroundings(
  pgbench: string,
  args: Pick<Surroundings, 'rounds' | 'seconds' | 'serverTransport'>,
): Surroundings {
  const gib = Math.round(totalmem() / 2 ** 30)
  const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU'
  return {
    date: new Date().toISOString(),
    machine: `${availableParallelism()} x ${cpu}, ${gib} GiB, ${platform()} ${release()}`,
    node: process.version,
    pgbench,
    loadBefore: loadavg()[0] ?? 0,
    rounds: args.rounds,
    seconds: args.seconds,
    serverTransport: args.serverTransport,
  }
}
