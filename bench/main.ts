import { join } from 'node:path'
import { BENCH_USAGE, type BenchArguments, BenchUsageError, readArguments } from './arguments.ts'
import { runCase } from './bench-run.ts'
import { BenchWorld } from './bench-world.ts'
import type { CaseResult } from './figures.ts'
import type { BenchCase } from './measure.ts'
import { HOW_TO_GET_PGBENCH, pgbenchVersion } from './pgbench.ts'
import { profileReport } from './profile-report.ts'
import { publish } from './publish.ts'
import { caseTitle, renderTable } from './report.ts'
import { type BenchResult, readResult, renderGoals, saveResult } from './result-file.ts'
import { surroundings } from './surroundings.ts'

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function run(args: BenchArguments, signal: AbortSignal): Promise<void> {
  const pgbench = await pgbenchVersion(args.pgbench)
  if (pgbench === undefined) throw new Error(HOW_TO_GET_PGBENCH)
  const around = surroundings(pgbench, args)
  say(`${around.machine}, load average ${around.loadBefore.toFixed(1)}`)
  say('What else runs on this machine disturbs throughput and latency; ratios of CPU are robust.')
  const world = new BenchWorld(args, say)
  const systems: Record<string, string> = {}
  const cases: CaseResult[] = []
  const base = join(args.out, around.date.replaceAll(/[:.]/g, '-'))
  const result: BenchResult = { surroundings: around, systems, cases }
  try {
    const settings = { ...args, directory: world.directory, signal, say }
    for (const benchCase of casesOf(args)) {
      signal.throwIfAborted()
      const targets = await world.targets(benchCase.scenario)
      for (const { system } of targets) systems[system.name] = system.version
      say(`\n${benchCase.scenario.title}: ${benchCase.protocol}, ${benchCase.clients} clients`)
      const one = await runCase(benchCase, targets, settings)
      cases.push(one)
      say(`${caseTitle(one)}\n${renderTable(one)}`)
      // After each case, so that a run that is broken off leaves what it has.
      saveResult(base, result)
    }
  } finally {
    await world.close()
  }
  if (args.profile !== undefined) say(`\n${profileReport(args.profile)}`)
  say(`\n${renderGoals(result)}\n\nsaved as ${base}.json and .md`)
}

function casesOf(args: BenchArguments): BenchCase[] {
  return args.scenarios.flatMap((scenario) => {
    const fixed = scenario.isFixed === true
    const protocols = fixed ? scenario.protocols : (args.protocols ?? scenario.protocols)
    const counts = fixed ? scenario.clients : (args.clients ?? scenario.clients)
    return protocols.flatMap((protocol) =>
      counts.map((clients) => ({ scenario, protocol, clients })),
    )
  })
}

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
}

const argv = process.argv.slice(2)
try {
  if (argv.includes('--help') || argv.includes('-h')) {
    say(BENCH_USAGE)
  } else {
    const args = readArguments(argv)
    if (args.publish === undefined) await run(args, stopping.signal)
    else say(`wrote ${publish(readResult(args.publish)).join(', ')}`)
  }
  process.exit(0)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(error instanceof BenchUsageError ? 2 : 1)
}
