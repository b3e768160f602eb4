import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { keepChild } from './child-processes.ts'
import { CpuMeter, type Target } from './cpu-meter.ts'
import type { Drained } from './drain.ts'
import type { Figures } from './figures.ts'
import { measureFill } from './fill.ts'
import { measureIngest } from './ingest.ts'
import { type PgbenchResult, type Protocol, runPgbench } from './pgbench.ts'
import { hasProcessFigures, treeRssMiB } from './process-cpu.ts'
import { RawBenchClient } from './raw-client.ts'
import type { MixedWorkload, Scenario, StatementsWorkload } from './scenarios.ts'
import { writeScript } from './script-file.ts'
import { BENCH_DATABASE, BENCH_USER } from './system.ts'

/** Server processes of closed connections end a moment later; their CPU is this turn's. */
const SETTLE_MS = 150
/** After the disturbers' start and before their end, so that readers always meet all of them. */
const DISTURBER_LEAD_MS = 1000
const DISTURBER_EXTRA_SECONDS = 2
const IDLE_SETTLE_MS = 3000
/** Logins at once: as many as fit the listen queue of any system. */
const LOGIN_BATCH = 100
const DRAIN_FILE = fileURLToPath(new URL('./drain.js', import.meta.url))
const KIB_PER_MIB = 1024
const MIB = 1_000_000

export type BenchCase = {
  readonly scenario: Scenario
  readonly protocol: Protocol
  readonly clients: number
}

export type MeasureSettings = {
  readonly pgbench: string
  readonly scale: number
  readonly directory: string
  readonly seconds: number
}

/** One turn of one system. */
export function measure(
  benchCase: BenchCase,
  target: Target,
  settings: MeasureSettings,
): Promise<Figures> {
  const { workload } = benchCase.scenario
  switch (workload.kind) {
    case 'statements':
      return measureStatements(benchCase, workload, target, settings)
    case 'mixed':
      return measureMixed(benchCase, workload, target, settings)
    case 'stream':
      return measureStream(workload.sql, target, settings)
    case 'ingest':
      return measureIngest(workload.rows, target, settings.directory)
    case 'fill':
      return measureFill(workload, target)
    case 'idle':
      return measureIdle(benchCase.clients, target)
  }
}

async function measureStatements(
  benchCase: BenchCase,
  workload: StatementsWorkload | MixedWorkload,
  target: Target,
  settings: MeasureSettings,
): Promise<Figures> {
  const meter = new CpuMeter(target)
  const result = await pgbench(benchCase, workload, target, settings)
  await delay(SETTLE_MS)
  return { ...figuresOf(result), ...meter.perUnit(result.transactions) }
}

/** CPU is left out: it would be that of readers and disturbers together. */
async function measureMixed(
  benchCase: BenchCase,
  workload: MixedWorkload,
  target: Target,
  settings: MeasureSettings,
): Promise<Figures> {
  const { p99Ms: quietP99Ms } = await pgbench(benchCase, workload, target, settings)
  const seconds = settings.seconds + DISTURBER_EXTRA_SECONDS
  const disturbing = workload.disturbers.map(({ script, clients }) =>
    pgbench({ ...benchCase, clients }, { script, samplingRate: 1 }, target, {
      ...settings,
      seconds,
    }),
  )
  const ended = Promise.all(disturbing)
  // Awaited below; until then a failure must not be an unhandled one.
  ended.catch(() => undefined)
  await delay(DISTURBER_LEAD_MS)
  const result = await pgbench(benchCase, workload, target, settings)
  await ended
  return { ...figuresOf(result), ...(quietP99Ms === undefined ? {} : { quietP99Ms }) }
}

async function measureStream(
  sql: string,
  target: Target,
  { seconds }: MeasureSettings,
): Promise<Figures> {
  const meter = new CpuMeter(target)
  const running = promisify(execFile)(process.execPath, [
    DRAIN_FILE,
    String(target.system.port),
    String(seconds),
    sql,
  ])
  keepChild(running.child)
  const drained = JSON.parse((await running).stdout) as Drained
  await delay(SETTLE_MS)
  const megabytes = drained.bytes / MIB
  return { throughput: megabytes / drained.seconds, ...meter.perUnit(megabytes) }
}

async function measureIdle(clients: number, { system }: Target): Promise<Figures> {
  const { pid } = system
  if (pid === undefined || !hasProcessFigures) throw new Error('no process whose memory to measure')
  const before = treeRssMiB(pid)
  const connected: RawBenchClient[] = []
  try {
    while (connected.length < clients) {
      const batch = Math.min(LOGIN_BATCH, clients - connected.length)
      const logins = Array.from({ length: batch }, () => RawBenchClient.connect(system.port))
      connected.push(...(await Promise.all(logins)))
    }
    await delay(IDLE_SETTLE_MS)
    const rssMiB = treeRssMiB(pid)
    return { throughput: clients, rssMiB, clientKiB: ((rssMiB - before) * KIB_PER_MIB) / clients }
  } finally {
    for (const client of connected) client.close()
  }
}

type PgbenchWorkload = {
  readonly script: string
  readonly samplingRate: number
  readonly isTransaction?: boolean
}

function pgbench(
  { scenario, protocol, clients }: BenchCase,
  { script, samplingRate, isTransaction = false }: PgbenchWorkload,
  { system }: Target,
  { pgbench: program, scale, directory, seconds }: MeasureSettings,
): Promise<PgbenchResult> {
  return runPgbench({
    pgbench: program,
    port: system.port,
    user: BENCH_USER,
    database: BENCH_DATABASE,
    protocol,
    clients,
    hasThreadEach: isTransaction && protocol === 'prepared',
    seconds,
    scripts: [writeScript(directory, scenario.name, script)],
    variables: { scale },
    samplingRate,
    directory,
  })
}

function figuresOf({ tps, p50Ms, p99Ms }: PgbenchResult): Figures {
  const latencies = p50Ms === undefined || p99Ms === undefined ? {} : { p50Ms, p99Ms }
  return { throughput: tps, ...latencies }
}
