import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { projectPath } from '../support/project.ts'
import { hasProgram, runPsql } from '../support/psql.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres } from '../support/stock-postgres.ts'
import { misplacedRows, type PlacementReport } from './placement.ts'

const SCENARIOS = ['saas.sql', 'adtech.sql']
const WORKER_COUNTS = [0, 1, 2, 4]
/** Rows of a scenario's table, to see that none is lost between the shards. */
const COUNTED = [
  'events',
  'tenants',
  'users',
  'orders',
  'events_daily',
  'companies',
  'ads',
  'clicks',
]
const CREATE_CALL = /^SELECT create_(?:distributed|reference)_table\(.*\);$/gm

t.setTimeout(600_000)

const missing = hasProgram('psql', '--version') ? false : 'psql is not installed'

t.test('scenarios print what one stock Postgres prints', { skip: missing }, async (t) => {
  const stock = await stockPostgres(t)
  const expected = new Map<string, string>()
  for (const file of SCENARIOS) {
    // Each create_* call prints one empty line, and so does this.
    const script = readScenario(file).replaceAll(CREATE_CALL, `SELECT '';`)
    const run = await runPsql(stock, script)
    t.equal(run.code, 0, `${file} runs on stock Postgres: ${run.stderr}`)
    expected.set(file, run.stdout)
  }
  for (const workers of WORKER_COUNTS) {
    await t.test(`--workers ${workers}`, (t) => runScenarios(t, workers, stock, expected))
  }
})

async function runScenarios(
  t: Test,
  workers: number,
  stockUrl: string,
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  const cluster = await DevCluster.start(t, workers)
  for (const [file, text] of expected) {
    const run = await runPsql(cluster.url, readScenario(file))
    t.equal(run.code, 0, `${file} runs: ${run.stderr}`)
    t.equal(run.stdout, text, `${file} prints the same`)
  }
  const stock = await RawClient.connect(stockUrl)
  const proxy = await RawClient.connect(cluster.url)
  t.teardown(() => {
    stock.close()
    proxy.close()
  })
  await checkPlacement(t, workers, stock, proxy)
}

async function checkPlacement(
  t: Test,
  workers: number,
  stock: RawClient,
  proxy: RawClient,
): Promise<void> {
  const report = await misplacedRows(proxy)
  t.same(report.misplaced, [], 'every row is in the shard of its hash')
  t.same(report.strays, [], 'no shard table is without metadata, and shells are empty')
  t.equal(
    nodesWithRows(report),
    Math.max(workers, 1),
    'rows are spread over all nodes that hold shards',
  )
  for (const table of COUNTED) {
    const count = Number(await stock.value(`SELECT count(*) FROM ${table}`))
    t.equal(report.rows.get(table), count, `${table} has ${count} rows in its shards`)
  }
}

function nodesWithRows(report: PlacementReport): number {
  return [...report.rowsOfNode.values()].filter((rows) => rows > 0).length
}

function readScenario(file: string): string {
  return readFileSync(projectPath('test', 'scenarios', file), 'utf8')
}
