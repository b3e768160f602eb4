import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { GateReport } from './reports.ts'

/** What administrators have closed: of one process, the same in all of them. Forgotten when the proxy stops. */
export class DatabaseGates {
  #mode: GateReport['mode'] = 'active'
  readonly #paused = new Set<string>()
  readonly #disabled = new Set<string>()

  get mode(): GateReport['mode'] {
    return this.#mode
  }

  set mode(mode: GateReport['mode']) {
    this.#mode = mode
  }

  setPaused(database: string, isPaused: boolean): void {
    if (isPaused) this.#paused.add(database)
    else this.#paused.delete(database)
  }

  setDisabled(database: string, isDisabled: boolean): void {
    if (isDisabled) this.#disabled.add(database)
    else this.#disabled.delete(database)
  }

  isPaused(database: string): boolean {
    return this.#mode !== 'active' || this.#paused.has(database)
  }

  /** Throws, FATAL, where new clients are refused. */
  checkEnabled(database: string): void {
    if (!this.#disabled.has(database)) return
    throw new RouterError(SqlState.cannotConnectNow, `database "${database}" is disabled`, {
      severity: 'FATAL',
      hint: 'An administrator has disabled it: ENABLE allows it again.',
    })
  }

  report(): GateReport {
    return { mode: this.#mode, paused: [...this.#paused], disabled: [...this.#disabled] }
  }
}
