import type { ConnectCounts } from '../backend/pools.ts'
import type { TrafficTable } from '../backend/traffic-counters.ts'
import type { AcrossProcesses, Json } from '../base/across-processes.ts'

const READ_TOPIC = 'stat counters'
const RESET_TOPIC = 'stat counters reset'
/** Who doesn't answer is left out, and named. */
const TIMEOUT_MS = 2000

const FIELDS = ['made', 'failed', 'assigned', 'singleShard', 'multiShard'] as const
type Field = (typeof FIELDS)[number]
type Counts = Readonly<Record<Field, number>>

/** In the order of Citus' columns. */
export type StatCounters = {
  readonly established: number
  readonly failed: number
  readonly reused: number
  readonly singleShard: number
  readonly multiShard: number
  /** In milliseconds since 1970; undefined: never. */
  readonly resetAtMs: number | undefined
  /** Processes that did not answer: what they counted is missing. */
  readonly silent: readonly number[]
}

export type StatCountersOptions = {
  readonly across: AcrossProcesses
  readonly traffic: TrafficTable
  readonly pools: { connectCounts(database: string): ConnectCounts }
}

type Report = { readonly counts: Counts; readonly resetAtMs: number | null }

/**
 * citus_stat_counters of one proxy: what all its processes have counted since they started, or since they were told to begin anew. The counters themselves
 * only grow; a reset remembers where they stood.
 */
export class StatCountersSource {
  readonly #options: StatCountersOptions
  /** Of databases that were reset, which are those of the configuration. */
  readonly #resets = new Map<string, { readonly counts: Counts; readonly atMs: number }>()

  constructor(options: StatCountersOptions) {
    this.#options = options
    const { across } = options
    across.answer(READ_TOPIC, (database) => this.#report(String(database)) as unknown as Json)
    across.answer(RESET_TOPIC, (argument) => {
      const { database, atMs } = argument as { database: string; atMs: number }
      this.#resets.set(database, { counts: this.#counts(database), atMs })
      return null
    })
  }

  async read(database: string): Promise<StatCounters> {
    const options = { timeoutMs: TIMEOUT_MS }
    const { answers, silent } = await this.#options.across.ask(READ_TOPIC, database, options)
    const reports = answers.map(({ answer }) => answer as unknown as Report)
    const sum = (field: Field) => reports.reduce((total, { counts }) => total + counts[field], 0)
    const resets = reports.flatMap(({ resetAtMs }) => (resetAtMs === null ? [] : [resetAtMs]))
    return {
      established: sum('made'),
      failed: sum('failed'),
      reused: Math.max(0, sum('assigned') - sum('made')),
      singleShard: sum('singleShard'),
      multiShard: sum('multiShard'),
      resetAtMs: resets.length === 0 ? undefined : Math.max(...resets),
      silent,
    }
  }

  async reset(database: string, atMs = Date.now()): Promise<void> {
    await this.#options.across.ask(RESET_TOPIC, { database, atMs })
  }

  #report(database: string): Report {
    const now = this.#counts(database)
    const reset = this.#resets.get(database)
    const since = (field: Field) => now[field] - (reset?.counts[field] ?? 0)
    const counts = Object.fromEntries(FIELDS.map((field) => [field, since(field)])) as Counts
    return { counts, resetAtMs: reset?.atMs ?? null }
  }

  #counts(database: string): Counts {
    const { traffic, pools } = this.#options
    const { made, failed } = pools.connectCounts(database)
    const counts = { made, failed, assigned: 0, singleShard: 0, multiShard: 0 }
    for (const { database: name, counters } of traffic.rows()) {
      if (name !== database) continue
      counts.assigned += counters.serverAssignments
      counts.singleShard += counters.singleShardStatements
      counts.multiShard += counters.multiShardStatements
    }
    return counts
  }
}
