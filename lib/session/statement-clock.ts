import type { TrafficCounters } from '../backend/traffic-counters.ts'
import { nowMs } from '../base/clock.ts'
import type { QueryObserver, QueryTier } from '../executor/ports.ts'
import type { Plan } from '../planner/plan.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import type { StatementStatistics } from './statement-statistics.ts'

const MICROS_PER_MS = 1000

/**
 * Times and counts the statements of one session: from the message that asks for one to the end of its answer; each
 * further one of the same message from the end of the one before. A transaction lasts from its first statement to the
 * end of its last one. One reading of the clock an event.
 */
export class StatementClock {
  readonly #counters: TrafficCounters
  readonly #observer: QueryObserver | undefined
  readonly #statistics: StatementStatistics | undefined
  #startedMs = 0
  /** 0: no statement has run since the last transaction ended. */
  #transactionMs = 0

  constructor(
    counters: TrafficCounters,
    observer: QueryObserver | undefined,
    statistics?: StatementStatistics,
  ) {
    this.#counters = counters
    this.#observer = observer
    this.#statistics = statistics
  }

  /** When the statement at hand, or the last one, began: milliseconds of performance.now(). */
  get startedMs(): number {
    return this.#startedMs
  }

  start(atMs = nowMs()): void {
    this.#startedMs = atMs
  }

  /** `count`: so many statements were answered as one; each gets its share of the time. */
  done(tier: QueryTier, count = 1, atMs = nowMs()): void {
    const durationMs = this.#ended(count, atMs)
    this.#countShards(tier, count)
    this.#statistics?.ended(tier, count)
    const observer = this.#observer
    if (observer === undefined) return
    const share = durationMs / count
    for (let index = 0; index < count; index++) observer.queryDone(tier, share)
  }

  #countShards(tier: QueryTier, count: number): void {
    switch (tier) {
      case 'router':
      case 'reference':
        this.#counters.singleShardStatements += count
        break
      case 'scatter':
      case 'combine':
      case 'pull':
        this.#counters.multiShardStatements += count
        break
      case 'local':
      case 'command':
        break
    }
  }

  failed(sqlState: string): void {
    this.#ended(1, nowMs())
    this.#statistics?.failed()
    this.#observer?.queryFailed(sqlState)
  }

  /** At each ReadyForQuery. */
  ready(status: number): void {
    if (status !== TransactionStatus.idle || this.#transactionMs === 0) return
    const counters = this.#counters
    counters.transactions++
    counters.transactionMicros += (this.#startedMs - this.#transactionMs) * MICROS_PER_MS
    this.#transactionMs = 0
  }

  #ended(count: number, atMs: number): number {
    const durationMs = atMs - this.#startedMs
    if (this.#transactionMs === 0) this.#transactionMs = this.#startedMs
    this.#startedMs = atMs
    const counters = this.#counters
    counters.statements += count
    counters.statementMicros += durationMs * MICROS_PER_MS
    return durationMs
  }
}

/** How the executor runs a plan of this kind, unless it says so itself. */
export function usualTier(kind: Plan['kind']): QueryTier {
  switch (kind) {
    case 'local':
      return 'local'
    case 'select':
    case 'modify':
    case 'insert-rows':
    case 'copy':
    case 'copy-query':
    case 'unique-write':
      return 'scatter'
    case 'pulled':
    case 'mirrored':
      return 'pull'
    case 'insert-through-scratch':
    case 'declare-cursor':
      return 'combine'
    case 'reference-write':
      return 'reference'
    case 'ddl':
    case 'materialize':
    case 'function':
    case 'function-query':
    case 'lock':
    case 'explain':
    case 'session':
    case 'refusal':
      return 'command'
  }
}
