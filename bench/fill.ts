import pg from 'pg'
import { CpuMeter, type Target } from './cpu-meter.ts'
import type { Figures } from './figures.ts'
import { runScript, runSql } from './postgres-servers.ts'
import type { FillWorkload } from './scenarios.ts'
import { BENCH_DATABASE, BENCH_USER, type ServerAddress } from './system.ts'

const THOUSAND = 1000
const DIRECT_OFF = 'SET citus.enable_repartitioned_insert_select = off'

/**
 * One INSERT … SELECT into an empty table. In a cluster also, to compare: the same by hand on the workers' shards, at once on
 * all workers; or, where rows change their shard, by the coordinator.
 */
export async function measureFill(workload: FillWorkload, target: Target): Promise<Figures> {
  const { rows, into, byKey, movesRows, sql } = workload
  const { system, servers } = target
  const address = { host: '127.0.0.1', port: system.port }
  const isCluster = servers.nodes.length > 1
  const table = into.slice(0, into.indexOf(' '))
  await prepare(address, into, table, isCluster ? byKey : undefined)
  const emptied = async <T>(work: () => Promise<T>): Promise<T> => {
    await runSql(address, BENCH_USER, `TRUNCATE ${table}`)
    await servers.each('CHECKPOINT')
    return work()
  }
  const rate = (seconds: number): number => rows / THOUSAND / seconds
  const meter = await emptied(async () => new CpuMeter(target))
  const seconds = await timed(address, [sql('')])
  const figures = { throughput: rate(seconds), ...meter.perUnit(rows / THOUSAND) }
  if (!isCluster) return figures
  if (movesRows) {
    const pulled = await emptied(() => timed(address, [DIRECT_OFF, sql('')]))
    return { ...figures, pulledThroughput: rate(pulled) }
  }
  const byHand = await emptied(() => onWorkers(target, table, sql))
  return { ...figures, byHandThroughput: rate(byHand) }
}

async function prepare(
  address: ServerAddress,
  into: string,
  table: string,
  key: string | undefined,
): Promise<void> {
  const known = `SELECT to_regclass('${table}') IS NOT NULL AS ok`
  const [found] = await runSql(address, BENCH_USER, known)
  if (found?.['ok'] === true) return
  const distribute = `SELECT create_distributed_table('${table}', '${key}')`
  await runScript(address, [`CREATE TABLE ${into}`, ...(key === undefined ? [] : [distribute])])
}

async function onWorkers(
  { servers }: Target,
  table: string,
  sql: FillWorkload['sql'],
): Promise<number> {
  const workers = servers.nodes.slice(1)
  const scripts = await Promise.all(
    workers.map(async (worker) => {
      const found = await runSql(
        worker,
        BENCH_USER,
        `SELECT schemaname AS name FROM pg_tables WHERE tablename = '${table}' AND schemaname ~ '^pgloom_[0-9]+$' ORDER BY 1`,
      )
      return ['BEGIN', ...found.map(({ name }) => sql(`${String(name)}.`)), 'COMMIT']
    }),
  )
  const startMs = performance.now()
  await Promise.all(workers.map((worker, index) => timed(worker, scripts[index] ?? [])))
  return (performance.now() - startMs) / THOUSAND
}

/** How long the last statement took, in seconds. */
async function timed({ host, port }: ServerAddress, script: readonly string[]): Promise<number> {
  const client = new pg.Client({ host, port, user: BENCH_USER, database: BENCH_DATABASE })
  await client.connect()
  try {
    let seconds = 0
    for (const sql of script) {
      const startMs = performance.now()
      await client.query(sql)
      seconds = (performance.now() - startMs) / THOUSAND
    }
    return seconds
  } finally {
    await client.end()
  }
}
