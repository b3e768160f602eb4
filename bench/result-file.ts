import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CaseResult } from './figures.ts'
import { judgeGoals } from './goals.ts'
import { caseTitle, renderRows, renderTable } from './report.ts'
import type { Surroundings } from './surroundings.ts'

export type BenchResult = {
  readonly surroundings: Surroundings
  /** Name and version of what was compared. */
  readonly systems: Readonly<Record<string, string>>
  readonly cases: readonly CaseResult[]
}

const TRANSPORTS = { unix: 'its Unix socket', tcp: 'TCP over loopback' } as const

/** `base`.json with every turn, `base`.md with the medians. */
export function saveResult(base: string, result: BenchResult): void {
  mkdirSync(dirname(base), { recursive: true })
  writeFileSync(`${base}.json`, `${JSON.stringify(result, undefined, 1)}\n`)
  writeFileSync(`${base}.md`, renderResult(result))
}

export function readResult(file: string): BenchResult {
  return JSON.parse(readFileSync(file, 'utf8')) as BenchResult
}

export function renderResult(result: BenchResult): string {
  const tables = result.cases.map((one) => `### ${caseTitle(one)}\n\n${renderTable(one)}`)
  return `${[renderSurroundings(result), renderGoals(result), ...tables].join('\n\n')}\n`
}

export function renderSurroundings({ surroundings, systems }: BenchResult): string {
  const { date, machine, node, pgbench, loadBefore, rounds, seconds, serverTransport } =
    surroundings
  const names = Object.entries(systems).map(([name, version]) => `- ${name}: ${version}`)
  return [
    `${date}, ${machine}, Node ${node}, ${pgbench}; ${rounds} rounds of ${seconds} s; proxies reach Postgres by ${TRANSPORTS[serverTransport]}; load average ${loadBefore.toFixed(1)} before the start.`,
    '',
    ...names,
  ].join('\n')
}

/** Empty where no case with a goal was run. */
export function renderGoals({ cases }: BenchResult): string {
  const goals = judgeGoals(cases)
  if (goals.length === 0) return 'No case with a goal was run.'
  return renderRows([
    ['goal', 'bound', 'reached', ''],
    ...goals.map(({ name, bound, value, isMet }) => [
      name,
      bound,
      value.toFixed(2),
      isMet ? 'met' : 'MISSED',
    ]),
  ])
}
