import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Chart, chartsOf } from './case-charts.ts'
import type { CaseResult } from './figures.ts'
import { caseTitle, renderTable } from './report.ts'
import { type BenchResult, renderGoals, renderSurroundings } from './result-file.ts'
import { SCENARIOS } from './scenarios.ts'

/** The project's, seen from dist/bench/. */
const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url))

const HEAD = `# Benchmarks

Written by \`npm run bench -- --publish FILE.json\` from a saved result; make your own with \`npm run bench\`, which starts all it needs.

**How.** pgbench runs against Postgres directly, PgBouncer (transaction pooling) and pgloom (one process), in turns of a few seconds: each system has
one turn a round, every other round in the opposite order, after a warm-up. Tables show medians over the rounds; *ratio* is the median of each round's ratio
to PgBouncer's throughput, *total ratio* the same for CPU of proxy, Postgres and client together. Both proxies have 16 server connections, all clients
come by TCP over loopback, authentication is trust; \`--servers-by\` says how the proxies reach Postgres. CPU is read from /proc before and after a
turn, for each transaction (or MB); p50 and p99 come from pgbench's log of a sample of transactions. *others* is the part of the machine that anyone else used meanwhile: it disturbs throughput and
latency much, ratios of CPU little. Figures of different machines or runs must not be compared.

\`npm run bench -- --help\` lists the choices. \`--scenario select-only --clients 64 --rounds 3 --seconds 3\` is a quick look; \`--systems
pgbouncer,pgloom,pgloom@OTHER/dist/lib/main.js\` compares two builds; \`--profile DIR\` tells where pgloom spent its time.
What a statement costs the proxy, and why: [decision 0022](decisions/0022-what-a-statement-costs-the-proxy.md).
`

/** Returns the files it wrote. Charts of an earlier result are removed. */
export function publish(result: BenchResult, docs: string = DOCS): string[] {
  const directory = join(docs, 'benchmarks')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const sections = SCENARIOS.flatMap(({ name, title }) => {
    const cases = result.cases.filter(({ scenario }) => scenario === name)
    return cases.length === 0 ? [] : [{ title, cases, charts: chartsOf(name, title, cases) }]
  })
  const page = join(docs, 'benchmarks.md')
  const parts = sections.map(({ title, cases, charts }) => renderSection(title, cases, charts))
  const goals = `## Goals\n\n${renderGoals(result)}`
  writeFileSync(page, `${[HEAD, renderSurroundings(result), goals, ...parts].join('\n\n')}\n`)
  const charts = sections.flatMap((section) => section.charts)
  for (const { file, svg } of charts) writeFileSync(join(directory, file), svg)
  return [page, ...charts.map(({ file }) => join(directory, file))]
}

function renderSection(
  title: string,
  cases: readonly CaseResult[],
  charts: readonly Chart[],
): string {
  const pictures = charts.map((chart) => `![${chart.title}](benchmarks/${chart.file})`)
  const tables = cases.map((result) => `### ${caseTitle(result)}\n\n${renderTable(result)}`)
  return [`## ${title}`, ...pictures, ...tables].join('\n\n')
}
