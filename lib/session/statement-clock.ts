import type { QueryObserver, QueryTier } from '../executor/ports.ts'
import type { Plan } from '../planner/plan.ts'

/**
 * Times the statements of one session: from the message that asks for one to the end of its answer; each further one
 * of the same message from the end of the one before.
 */
export class StatementClock {
  readonly #observer: QueryObserver | undefined
  #startedMs = 0

  constructor(observer: QueryObserver | undefined) {
    this.#observer = observer
  }

  start(): void {
    if (this.#observer !== undefined) this.#startedMs = performance.now()
  }

  /** `count`: so many statements were answered as one; each gets its share of the time. */
  done(tier: QueryTier, count = 1): void {
    const observer = this.#observer
    if (observer === undefined) return
    const nowMs = performance.now()
    const share = (nowMs - this.#startedMs) / count
    for (let index = 0; index < count; index++) observer.queryDone(tier, share)
    this.#startedMs = nowMs
  }

  failed(sqlState: string): void {
    this.#observer?.queryFailed(sqlState)
    this.start()
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
      return 'scatter'
    case 'insert-through-scratch':
    case 'declare-cursor':
      return 'combine'
    case 'reference-write':
      return 'reference'
    case 'ddl':
    case 'function':
    case 'function-query':
    case 'lock':
    case 'explain':
    case 'session':
    case 'refusal':
      return 'command'
  }
}
