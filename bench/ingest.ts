import { execFile } from 'node:child_process'
import { createWriteStream, existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { keepChild } from './child-processes.ts'
import { CpuMeter, type Target } from './cpu-meter.ts'
import type { Figures } from './figures.ts'
import { runScript, runSql } from './postgres-servers.ts'
import { treeRssMiB } from './process-cpu.ts'
import { BENCH_DATABASE, BENCH_USER, type ServerAddress } from './system.ts'

const TABLE = 'bench_readings'
const CREATE = `CREATE TABLE ${TABLE} (sensor int, at int, value int)`
const DISTRIBUTE = `SELECT create_distributed_table('${TABLE}', 'sensor')`
const SENSORS = 50_000
const LINES_AT_ONCE = 10_000
const MEMORY_INTERVAL_MS = 100
const THOUSAND = 1000

/** One COPY of a file by psql's \copy, which for pgloom is compared with the same COPY straight into one of the shards, too. */
export async function measureIngest(
  rows: number,
  target: Target,
  directory: string,
): Promise<Figures> {
  const { system, servers } = target
  const file = await dataFile(directory, rows)
  const address = { host: '127.0.0.1', port: system.port }
  const isCluster = servers.nodes.length > 1
  await prepare(address, isCluster)
  await servers.each('CHECKPOINT')
  const memory = new MemoryPeak(system.pid)
  const meter = new CpuMeter(target)
  const seconds = await copyFile(address, TABLE, file).finally(() => memory.stop())
  const figures = meter.perUnit(rows / THOUSAND)
  await checkCount(address, rows)
  await runSql(address, BENCH_USER, `TRUNCATE ${TABLE}`)
  return {
    throughput: rows / THOUSAND / seconds,
    ...figures,
    ...(memory.peakMiB > 0 ? { rssMiB: memory.peakMiB } : {}),
    ...(isCluster ? { shardThroughput: await intoOneShard(target, file, rows) } : {}),
  }
}

async function prepare(address: ServerAddress, isCluster: boolean): Promise<void> {
  const found = await runSql(
    address,
    BENCH_USER,
    `SELECT to_regclass('${TABLE}') IS NOT NULL AS ok`,
  )
  if (found[0]?.['ok'] === true) return
  await runScript(address, isCluster ? [CREATE, DISTRIBUTE] : [CREATE])
}

async function checkCount(address: ServerAddress, rows: number): Promise<void> {
  const counted = await runSql(address, BENCH_USER, `SELECT count(*)::int AS n FROM ${TABLE}`)
  if (counted[0]?.['n'] !== rows) throw new Error(`${String(counted[0]?.['n'])} of ${rows} rows`)
}

/** Thousands of rows a second. */
async function intoOneShard({ servers }: Target, file: string, rows: number): Promise<number> {
  const worker = servers.nodes[1] ?? servers.first
  const shards = await runSql(
    worker,
    BENCH_USER,
    `SELECT schemaname AS name FROM pg_tables WHERE tablename = '${TABLE}' AND schemaname ~ '^pgloom_[0-9]+$' LIMIT 1`,
  )
  const table = `${String(shards[0]?.['name'])}.${TABLE}`
  await servers.each('CHECKPOINT')
  const seconds = await copyFile(worker, table, file)
  await runSql(worker, BENCH_USER, `TRUNCATE ${table}`)
  return rows / THOUSAND / seconds
}

async function copyFile({ host, port }: ServerAddress, table: string, file: string) {
  const address = ['-h', host, '-p', String(port), '-U', BENCH_USER, '-d', BENCH_DATABASE]
  const startMs = performance.now()
  const running = promisify(execFile)('psql', [
    ...['-X', '-q', '-v', 'ON_ERROR_STOP=1'],
    ...address,
    ...['-c', `\\copy ${table} from '${file}'`],
  ])
  keepChild(running.child)
  await running
  return (performance.now() - startMs) / 1000
}

/** Made once a run; all systems copy the same. */
async function dataFile(directory: string, rows: number): Promise<string> {
  const file = join(directory, `readings-${rows}.txt`)
  if (existsSync(file)) return file
  await pipeline(lines(rows), createWriteStream(`${file}.part`))
  renameSync(`${file}.part`, file)
  return file
}

function* lines(rows: number): Generator<string> {
  for (let from = 0; from < rows; from += LINES_AT_ONCE) {
    const count = Math.min(LINES_AT_ONCE, rows - from)
    yield Array.from({ length: count }, (_, index) => line(from + index)).join('')
  }
}

/** Neighbours belong to different shards. */
function line(index: number): string {
  return `${(Math.imul(index, 2_654_435_761) >>> 0) % SENSORS}\t${index}\t${index % 1000}\n`
}

class MemoryPeak {
  peakMiB = 0
  readonly #timer: NodeJS.Timeout

  constructor(pid: number | undefined) {
    this.#timer = setInterval(() => {
      if (pid !== undefined) this.peakMiB = Math.max(this.peakMiB, treeRssMiB(pid))
    }, MEMORY_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
