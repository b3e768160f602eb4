import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BENCH_USAGE, type BenchArguments, BenchUsageError, readArguments } from './arguments.ts'
import { type BenchCase, type RunSettings, runCase } from './bench-run.ts'
import { BenchWorld, requirePgbench } from './bench-world.ts'
import type { CaseResult } from './figures.ts'
import { caseTitle, renderTable } from './report.ts'

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function run(args: BenchArguments, signal: AbortSignal): Promise<void> {
  say(await requirePgbench(args.pgbench))
  const world = new BenchWorld(args, say)
  const results: CaseResult[] = []
  const base = join(args.out, new Date().toISOString().replaceAll(/[:.]/g, '-'))
  mkdirSync(args.out, { recursive: true })
  try {
    const targets = await world.targets('stock')
    for (const { system } of targets) say(`${system.name}: ${system.version}`)
    const settings: RunSettings = { ...args, directory: world.directory, signal, say }
    for (const benchCase of casesOf(args)) {
      const { scenario, protocol, clients } = benchCase
      say(`\n${scenario.name}, ${protocol}, ${clients} clients`)
      const result = await runCase(benchCase, targets, settings)
      results.push(result)
      say(renderTable(result))
      save(base, results)
    }
  } finally {
    await world.close()
  }
  say(`\nsaved as ${base}.json and .md`)
}

function casesOf(args: BenchArguments): BenchCase[] {
  return args.scenarios.flatMap((scenario) =>
    (args.protocols ?? scenario.protocols).flatMap((protocol) =>
      (args.clients ?? scenario.clients).map((clients) => ({ scenario, protocol, clients })),
    ),
  )
}

/** After each case, so that a run that is broken off leaves what it has. */
function save(base: string, results: readonly CaseResult[]): void {
  writeFileSync(`${base}.json`, `${JSON.stringify(results, undefined, 1)}\n`)
  const parts = results.map((result) => `### ${caseTitle(result)}\n\n${renderTable(result)}\n`)
  writeFileSync(`${base}.md`, parts.join('\n'))
}

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
}

const argv = process.argv.slice(2)
try {
  if (argv.includes('--help') || argv.includes('-h')) say(BENCH_USAGE)
  else await run(readArguments(argv), stopping.signal)
  process.exit(0)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(error instanceof BenchUsageError ? 2 : 1)
}
