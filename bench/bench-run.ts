import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CpuMeter, type Target } from './cpu-meter.ts'
import type { CaseResult, Figures, Turn } from './figures.ts'
import { type Protocol, runPgbench } from './pgbench.ts'
import type { Scenario } from './scenarios.ts'
import { BENCH_DATABASE, BENCH_USER } from './system.ts'

const WARM_UP_SECONDS = 1
/** Server processes of closed connections end a moment later; their CPU is this turn's. */
const SETTLE_MS = 150

export type BenchCase = {
  readonly scenario: Scenario
  readonly protocol: Protocol
  readonly clients: number
}

export type RunSettings = {
  readonly rounds: number
  readonly seconds: number
  readonly pgbench: string
  readonly scale: number
  readonly directory: string
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** A warm-up of every system, then rounds in which each has its turn; every other round in the opposite order. */
export async function runCase(
  benchCase: BenchCase,
  targets: readonly Target[],
  settings: RunSettings,
): Promise<CaseResult> {
  const { scenario, protocol, clients } = benchCase
  const turns: Turn[] = []
  const measure = async (target: Target, round: number, seconds: number): Promise<Turn> => {
    settings.signal.throwIfAborted()
    const system = target.system.name
    try {
      const refusal = target.system.refuses(protocol)
      if (refusal !== undefined) return { system, round, failure: refusal }
      return {
        system,
        round,
        figures: await measureStatements(benchCase, target, settings, seconds),
      }
    } catch (error) {
      settings.signal.throwIfAborted()
      const failure = error instanceof Error ? error.message : String(error)
      settings.say(`  ${system} failed: ${failure}`)
      return { system, round, failure }
    }
  }
  await setDurable(targets, scenario.isDurable)
  for (const target of targets) await measure(target, 0, WARM_UP_SECONDS)
  for (let round = 1; round <= settings.rounds; round += 1) {
    const order = round % 2 === 1 ? targets : targets.toReversed()
    for (const target of order) {
      const turn = await measure(target, round, settings.seconds)
      if (turn.figures !== undefined) settings.say(progressLine(turn, turn.figures))
      turns.push(turn)
    }
  }
  const { seconds } = settings
  return { scenario: scenario.name, protocol, clients, unit: 'tps', seconds, turns }
}

async function measureStatements(
  { scenario, protocol, clients }: BenchCase,
  target: Target,
  { pgbench, scale, directory }: RunSettings,
  seconds: number,
): Promise<Figures> {
  const script = join(directory, `${scenario.name}.sql`)
  writeFileSync(script, scenario.script)
  const meter = new CpuMeter(target)
  const { tps, transactions, p50Ms, p99Ms } = await runPgbench({
    pgbench,
    port: target.system.port,
    user: BENCH_USER,
    database: BENCH_DATABASE,
    protocol,
    clients,
    seconds,
    scripts: [script],
    variables: { scale },
    samplingRate: scenario.samplingRate,
    directory,
  })
  await delay(SETTLE_MS)
  const latencies = p50Ms === undefined || p99Ms === undefined ? {} : { p50Ms, p99Ms }
  return { throughput: tps, ...latencies, ...meter.perUnit(transactions) }
}

async function setDurable(targets: readonly Target[], isDurable: boolean): Promise<void> {
  for (const servers of new Set(targets.map((target) => target.servers))) {
    await servers.setDurable(isDurable)
  }
}

function progressLine({ system, round }: Turn, figures: Figures): string {
  const { throughput = 0, totalCpuUs, proxyCpuUs, p99Ms } = figures
  const parts = [
    `round ${round}`,
    system.padEnd(10),
    `${Math.round(throughput)} tps`.padStart(10),
    totalCpuUs === undefined ? '' : `${totalCpuUs.toFixed(1)} us CPU each`,
    proxyCpuUs === undefined ? '' : `(proxy ${proxyCpuUs.toFixed(1)})`,
    p99Ms === undefined ? '' : `p99 ${p99Ms.toFixed(2)} ms`,
  ]
  return `  ${parts.filter(Boolean).join('  ')}`
}
