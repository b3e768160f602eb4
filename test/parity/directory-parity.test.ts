import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { projectPath } from '../support/project.ts'
import { readStatementList } from '../support/statement-list.ts'
import { runQueries } from './benchmarks/benchmark.ts'
import type { Layout } from './benchmarks/layouts.ts'
import { ClusterPair } from './cluster-pair.ts'

/**
 * PGLOOM_BENCHMARK_DIRECTORY: a benchmark of anybody's. `data.sql` makes its tables, `layout.json` has a list of layouts (see
 * benchmarks/layouts.ts), each other *.sql file has queries, for instance those of the join order benchmark.
 * PGLOOM_BENCHMARK_REFUSED: how many of them may be refused.
 */
const {
  PGLOOM_BENCHMARK_DIRECTORY: directory = projectPath('test', 'parity/benchmarks/sample'),
  PGLOOM_BENCHMARK_REFUSED: refused = '0',
} = process.env

t.setTimeout(7_200_000)

t.test('queries of a directory answer as one stock Postgres', async (t) => {
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  const files = readdirSync(directory).filter((name) => /^(?!data\.).*\.sql$/.test(name))
  const listed = files.sort().flatMap((name) => readStatementList(read(name), name))
  const layouts: readonly Layout[] = existsSync(join(directory, 'layout.json'))
    ? JSON.parse(read('layout.json'))
    : [{ name: 'local', groups: [], reference: [] }]
  const name = basename(directory).replaceAll(/\W/g, '_')
  const pair = await ClusterPair.start(t, 2)
  const benchmark = { name, layouts, maxRefused: Number(refused) }
  await runQueries(t, pair, benchmark, { data: read('data.sql'), listed })
})
