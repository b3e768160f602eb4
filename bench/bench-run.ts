import type { Target } from './cpu-meter.ts'
import type { CaseResult, Figures, Turn } from './figures.ts'
import { type BenchCase, type MeasureSettings, measure } from './measure.ts'
import { isDurable, unitOf } from './scenarios.ts'

/** Node compiles what it runs often: a proxy that has just started is slower. */
const WARM_UP_PART = 1 / 3

export type RunSettings = MeasureSettings & {
  readonly rounds: number
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** A warm-up of every system, then rounds in which each has its turn; every other round in the opposite order. */
export async function runCase(
  benchCase: BenchCase,
  available: readonly Target[],
  settings: RunSettings,
): Promise<CaseResult> {
  const { scenario, protocol, clients } = benchCase
  const unit = unitOf(scenario)
  const turns: Turn[] = []
  const isIdle = scenario.workload.kind === 'idle'
  // Memory is that of a process in between.
  const targets = available.filter(({ system }) => !isIdle || system.pid !== undefined)
  for (const servers of new Set(targets.map((target) => target.servers))) {
    await servers.setDurable(isDurable(scenario))
  }
  const warmUpSeconds = Math.ceil(settings.seconds * WARM_UP_PART)
  const takesItsTime = scenario.workload.kind === 'ingest' || scenario.workload.kind === 'fill'
  if (!(isIdle || takesItsTime)) {
    for (const target of targets) {
      await takeTurn(benchCase, target, 0, { ...settings, seconds: warmUpSeconds })
    }
  }
  // Memory that a process has once used isn't given back: a second round would say less than the first.
  const rounds = isIdle ? 1 : settings.rounds
  for (let round = 1; round <= rounds; round += 1) {
    for (const target of turnOrder(targets, round)) {
      const turn = await takeTurn(benchCase, target, round, settings)
      settings.say(progressLine(turn, unit))
      turns.push(turn)
    }
  }
  return { scenario: scenario.name, protocol, clients, unit, seconds: settings.seconds, turns }
}

/** Every other round the other way round, so that no system always follows the same one. */
export function turnOrder<T>(systems: readonly T[], round: number): readonly T[] {
  return round % 2 === 1 ? systems : systems.toReversed()
}

async function takeTurn(
  benchCase: BenchCase,
  target: Target,
  round: number,
  settings: RunSettings,
): Promise<Turn> {
  settings.signal.throwIfAborted()
  const { name: system, refuses } = target.system
  const refusal = refuses(benchCase.protocol)
  if (refusal !== undefined) return { system, round, failure: refusal }
  try {
    return { system, round, figures: await measure(benchCase, target, settings) }
  } catch (error) {
    settings.signal.throwIfAborted()
    return { system, round, failure: error instanceof Error ? error.message : String(error) }
  }
}

function progressLine({ system, round, figures, failure }: Turn, unit: string): string {
  const parts = [`round ${round}`, system.padEnd(10), failure ?? figuresText(figures ?? {}, unit)]
  return `  ${parts.join('  ')}`
}

function figuresText(figures: Figures, unit: string): string {
  const { throughput = 0, totalCpuUs, proxyCpuUs, p99Ms, quietP99Ms, rssMiB } = figures
  return [
    `${Math.round(throughput)} ${unit}`.padStart(10),
    totalCpuUs === undefined ? '' : `${totalCpuUs.toFixed(1)} us CPU each`,
    proxyCpuUs === undefined ? '' : `(proxy ${proxyCpuUs.toFixed(1)})`,
    p99Ms === undefined ? '' : `p99 ${p99Ms.toFixed(2)} ms`,
    quietP99Ms === undefined ? '' : `(undisturbed ${quietP99Ms.toFixed(2)})`,
    rssMiB === undefined ? '' : `${rssMiB.toFixed(1)} MiB`,
  ]
    .filter(Boolean)
    .join('  ')
}
