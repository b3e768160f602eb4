import t from 'tap'
import { runBenchmark } from './benchmarks/benchmark.ts'
import { CLICKBENCH_LAYOUTS, TPCH_LAYOUTS } from './benchmarks/layouts.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

t.test('TPC-H and ClickBench answer as one stock Postgres', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await runBenchmark(t, pair, { name: 'tpch', layouts: TPCH_LAYOUTS, maxRefused: 0 })
  await runBenchmark(t, pair, { name: 'clickbench', layouts: CLICKBENCH_LAYOUTS, maxRefused: 0 })
})
