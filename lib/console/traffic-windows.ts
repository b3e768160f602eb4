import {
  COUNTER_NAMES,
  type CounterValues,
  TrafficCounters,
  type TrafficTable,
} from '../backend/traffic-counters.ts'
import type { Log } from '../base/log.ts'
import type { TrafficReport } from './reports.ts'
import { averages } from './stats-tables.ts'

const MICROS_PER_MS = 1000

export type TrafficWindowsOptions = {
  /** May change. */
  readonly periodMs: () => number
  /** Averages are written to it at the end of each period; undefined: not now. */
  readonly log: () => Log | undefined
}

/**
 * Remembers the counters of the last two ends of a period: averages are, as in PgBouncer, over the last whole period and
 * what has passed of the current one.
 */
export class TrafficWindows {
  readonly #traffic: TrafficTable
  readonly #options: TrafficWindowsOptions
  #timer: NodeJS.Timeout
  #older = new Map<TrafficCounters, CounterValues>()
  #newer = new Map<TrafficCounters, CounterValues>()
  #olderMs = performance.now()
  #newerMs = this.#olderMs

  constructor(traffic: TrafficTable, options: TrafficWindowsOptions) {
    this.#traffic = traffic
    this.#options = options
    this.#timer = this.#nextTurn()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  report(): TrafficReport[] {
    const windowMicros = (performance.now() - this.#olderMs) * MICROS_PER_MS
    return this.#traffic.rows().map(({ database, user, counters }) => ({
      database,
      user,
      total: valuesOf(counters),
      before: this.#older.get(counters) ?? new TrafficCounters(),
      windowMicros,
    }))
  }

  /** The end of a period. */
  turn(): void {
    const rows = this.#traffic.rows()
    this.#older = this.#newer
    this.#olderMs = this.#newerMs
    this.#newer = new Map(rows.map(({ counters }) => [counters, valuesOf(counters)]))
    this.#newerMs = performance.now()
    this.#write()
  }

  #nextTurn(): NodeJS.Timeout {
    const turn = () => {
      this.turn()
      this.#timer = this.#nextTurn()
    }
    return setTimeout(turn, this.#options.periodMs()).unref()
  }

  #write(): void {
    const log = this.#options.log()
    if (log === undefined) return
    const windowMicros = (this.#newerMs - this.#olderMs) * MICROS_PER_MS
    const total = new TrafficCounters()
    const before = new TrafficCounters()
    for (const name of COUNTER_NAMES) {
      for (const values of this.#newer.values()) total[name] += values[name]
      for (const values of this.#older.values()) before[name] += values[name]
    }
    const average = averages(total, before, windowMicros)
    log.info('stats', {
      xacts_per_second: Math.round(average.transactions),
      queries_per_second: Math.round(average.statements),
      in_bytes_per_second: Math.round(average.bytesReceived),
      out_bytes_per_second: Math.round(average.bytesSent),
      xact_us: Math.round(average.transactionMicros),
      query_us: Math.round(average.statementMicros),
      wait_us: Math.round(average.waitMicros),
    })
  }
}

function valuesOf(counters: TrafficCounters): CounterValues {
  return { ...counters }
}
