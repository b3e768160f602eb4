import { type ExecFileException, execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { serverEnvironment } from '../lib/embedded/run-command.ts'
import { keepChild } from './child-processes.ts'
import { percentile } from './statistics.ts'

export type Protocol = 'simple' | 'extended' | 'prepared'

export type PgbenchRun = {
  readonly pgbench: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly protocol: Protocol
  readonly clients: number
  /** pgbench prepares synchronously: a thread that waits so for a server connection must not be the one that gives it free. */
  readonly hasThreadEach?: boolean
  readonly seconds: number
  /** A builtin script (`select-only`) or a file; more than one are mixed evenly. */
  readonly scripts: readonly string[]
  readonly variables?: Readonly<Record<string, number>>
  /** Of transactions whose latency is logged: writing them all would cost as much as running them. */
  readonly samplingRate: number
  /** Where the log of latencies goes; best in memory. */
  readonly directory: string
}

export type PgbenchResult = {
  readonly tps: number
  readonly transactions: number
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
}

/** How long a run may exceed its seconds: 256 connections are opened before and closed after. */
const GRACE_MS = 60_000
const THREADS = 2

/** Runs it to its end. Throws with what pgbench said when a client failed or was aborted. */
export async function runPgbench(run: PgbenchRun): Promise<PgbenchResult> {
  const logs = mkdtempSync(join(run.directory, 'pgbench-'))
  try {
    const output = await execute(run.pgbench, pgbenchArguments(run, join(logs, 'log')), {
      timeout: run.seconds * 1000 + GRACE_MS,
    })
    const latencies = readdirSync(logs)
      .flatMap((file) => parseLatencies(readFileSync(join(logs, file), 'utf8')))
      .sort((a, b) => a - b)
    return {
      ...parseSummary(output),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
    }
  } finally {
    rmSync(logs, { recursive: true, force: true })
  }
}

/** Loads pgbench's own tables; `steps` as in `pgbench -I`. */
export async function initialisePgbench(
  pgbench: string,
  target: { readonly port: number; readonly user: string; readonly database: string },
  scale: number,
  steps: string,
): Promise<void> {
  const where = ['-h', '127.0.0.1', '-p', String(target.port), '-U', target.user]
  await execute(pgbench, [...where, '-i', '-q', '-s', String(scale), '-I', steps, target.database])
}

export const HOW_TO_GET_PGBENCH =
  'pgbench is not installed: apt-get install postgresql-contrib (or brew install postgresql), or name one with --pgbench PATH'

/** `pgbench (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` or undefined when it can't be run. */
export async function pgbenchVersion(pgbench: string): Promise<string | undefined> {
  try {
    return (await execute(pgbench, ['--version'])).trim()
  } catch {
    return undefined
  }
}

function pgbenchArguments(run: PgbenchRun, logPrefix: string): string[] {
  const { variables = {} } = run
  const threads = run.hasThreadEach === true ? run.clients : Math.min(THREADS, run.clients)
  return [
    ...['-h', '127.0.0.1', '-p', String(run.port), '-U', run.user, '-n'],
    ...['-M', run.protocol, '-T', String(run.seconds)],
    ...['-c', String(run.clients), '-j', String(threads)],
    ...['-l', `--log-prefix=${logPrefix}`, `--sampling-rate=${run.samplingRate}`],
    ...Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`]),
    ...run.scripts.flatMap((script) => [script.includes('/') ? '-f' : '-b', script]),
    run.database,
  ]
}

/** Of the report that pgbench prints at its end. */
export function parseSummary(output: string): { tps: number; transactions: number } {
  const tps = /^tps = ([\d.]+)/m.exec(output)?.[1]
  const transactions = /^number of transactions actually processed: (\d+)/m.exec(output)?.[1]
  if (tps === undefined || transactions === undefined || transactions === '0') {
    throw new Error(`pgbench gave no figures: ${output.trim()}`)
  }
  return { tps: Number(tps), transactions: Number(transactions) }
}

/** Milliseconds of each line `client transaction time_us script epoch_s epoch_us`; "failed" and "skipped" have none. */
export function parseLatencies(log: string): number[] {
  return log.split('\n').flatMap((line) => {
    const microseconds = line.split(' ')[2]
    return microseconds !== undefined && /^\d+$/.test(microseconds)
      ? [Number(microseconds) / 1000]
      : []
  })
}

function execute(
  file: string,
  args: readonly string[],
  options: { timeout?: number } = {},
): Promise<string> {
  const settings = { ...options, env: serverEnvironment(), maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      settings,
      (error: ExecFileException | null, stdout, stderr) => {
        if (error === null) return resolve(stdout)
        const said = stderr.trim().split('\n').slice(-3).join(' / ') || error.message
        reject(new Error(`pgbench failed: ${said}`, { cause: error }))
      },
    )
    keepChild(child)
  })
}
