import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { ParserHost } from '../../../lib/sql/parser-host.ts'
import { Score } from '../../support/differential.ts'
import { projectPath } from '../../support/project.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { type ListedStatement, readStatementList } from '../../support/statement-list.ts'
import type { ClusterPair } from '../cluster-pair.ts'
import { ask, judgeAnswer, type Way } from './answer-judge.ts'
import { dataScript } from './data-script.ts'
import { type Layout, layoutStatements } from './layouts.ts'

/** A benchmark's tables and queries, as files of this folder: `<name>-data.sql`, `<name>.sql`. */
export type Benchmark = {
  readonly name: string
  readonly layouts: readonly Layout[]
  /** Queries that may be refused. Lower it when the proxy learns more; never raise it. */
  readonly maxRefused: number
  /** Queries (numbers, from 1) that are only for PGLOOM_BENCHMARKS=all. */
  readonly skipped?: ReadonlySet<number>
}

/** PGLOOM_BENCHMARKS=all: every query on every layout, both in text and in binary. */
export const RUNS_ALL = process.env['PGLOOM_BENCHMARKS'] === 'all'
/** PGLOOM_BENCHMARK_QUERY=17: only that one. */
const { PGLOOM_BENCHMARK_QUERY: onlyQuery } = process.env

/** Runs a benchmark's queries on both, once for each layout of its tables in the cluster. */
export async function runBenchmark(
  t: Test,
  pair: ClusterPair,
  benchmark: Benchmark,
): Promise<void> {
  const { name, skipped = new Set() } = benchmark
  const file = (suffix: string) =>
    readFileSync(projectPath('test', 'parity', 'benchmarks', `${name}${suffix}.sql`), 'utf8')
  const data = dataScript(file('-data'))
  const queries = readStatementList(file(''), name).map(
    (query, index): ListedStatement => ({ ...query, source: `${name} ${index + 1}` }),
  )
  const listed = queries.filter((_, index) => isAsked(index + 1, skipped))
  await runQueries(t, pair, benchmark, { data, listed })
}

/** A script that makes the tables, and queries. */
export type Workload = { readonly data: string; readonly listed: readonly ListedStatement[] }

export async function runQueries(
  t: Test,
  pair: ClusterPair,
  { name, layouts, maxRefused }: Benchmark,
  { data, listed }: Workload,
): Promise<void> {
  const parser = await ParserHost.create()
  await load(pair.stock, name, data)
  for (const layout of layouts) {
    await t.test(`${name}, ${layout.name}`, async (t) => {
      await load(pair.proxy, `${name}_${layout.name}`, data)
      for (const statement of layoutStatements(layout)) await pair.proxy.run(statement)
      t.comment('loaded')
      const score = new Score()
      for (const [index, query] of listed.entries()) {
        for (const way of waysOf(index)) await compare({ t, pair, parser, query, way, score })
      }
      tell(t, score, maxRefused)
    })
  }
}

function isAsked(number: number, skipped: ReadonlySet<number>): boolean {
  if (onlyQuery !== undefined) return onlyQuery === String(number)
  return RUNS_ALL || !skipped.has(number)
}

function waysOf(index: number): readonly Way[] {
  if (RUNS_ALL) return ['simple', 'binary']
  return [index % 2 === 0 ? 'simple' : 'binary']
}

function tell(t: Test, score: Score, maxRefused: number): void {
  for (const [source, [, message]] of score.refused) t.comment(`${source}: ${message}`)
  for (const problem of [...score.unsound, ...score.different]) t.comment(problem)
  t.comment(score.line)
  t.equal(score.unsound.length, 0, 'the stock Postgres answers')
  t.equal(score.different.length, 0, score.line)
  t.ok(score.refused.size <= maxRefused, `at most ${maxRefused} refused: ${score.line}`)
}

type Comparison = {
  readonly t: Test
  readonly pair: ClusterPair
  readonly parser: ParserHost
  readonly query: ListedStatement
  readonly way: Way
  readonly score: Score
}

async function compare({ t, pair, parser, query, way, score }: Comparison): Promise<void> {
  const { sql, source } = query
  const timed = async (client: RawClient) => {
    const started = performance.now()
    const answer = await ask(client, sql, way)
    return { answer, time: Math.round(performance.now() - started) }
  }
  const expected = await timed(pair.stock)
  const got = await timed(pair.proxy)
  const judging = { parser, stock: pair.stock, sql, way }
  score.add(query, way, await judgeAnswer(expected.answer, got.answer, judging))
  const rows = expected.answer.results[0]?.rows.length ?? 0
  t.comment(`${source}: ${rows} rows, ${expected.time} ms alone, ${got.time} ms by the cluster`)
}

async function load(client: RawClient, schema: string, data: string): Promise<void> {
  await client.run(`CREATE SCHEMA ${schema}; SET search_path TO ${schema}`)
  await client.run(data)
  await client.run('ANALYZE')
}
