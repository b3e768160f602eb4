import t from 'tap'
import { RUNS_ALL, runBenchmark } from './benchmarks/benchmark.ts'
import { TPCDS_LAYOUTS } from './benchmarks/layouts.ts'
import { ClusterPair } from './cluster-pair.ts'

/** They take a third of the time; PGLOOM_BENCHMARKS=all runs them too, and all with nothing colocated. */
const SLOW: ReadonlySet<number> = new Set([4, 11, 14, 16, 23, 24, 35, 59, 72])

t.setTimeout(RUNS_ALL ? 1_800_000 : 600_000)

t.test('TPC-DS answers as one stock Postgres', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  const layouts = TPCDS_LAYOUTS.slice(0, RUNS_ALL ? undefined : 1)
  await runBenchmark(t, pair, { name: 'tpcds', layouts, maxRefused: 0, skipped: SLOW })
})
