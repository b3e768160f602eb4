import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** max_client_conn: whoever has logged in holds a slot until it leaves. Cancel requests need none. */
export interface ClientSlots {
  readonly limit: number
  /** false: all are taken. */
  take(): boolean | Promise<boolean>
  /** Once for each slot taken. */
  give(): void
}

/** The slots of one process, or of all where it counts for others, too. */
export class CountedClientSlots implements ClientSlots {
  /** May change at any time; whoever is in stays. */
  limit: number
  #taken = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get taken(): number {
    return this.#taken
  }

  take(): boolean {
    if (this.#taken >= this.limit) return false
    this.#taken++
    return true
  }

  give(): void {
    this.#taken--
  }
}

export function tooManyClients(): RouterError {
  const message = 'sorry, too many clients already'
  return new RouterError(SqlState.tooManyConnections, message, { severity: 'FATAL' })
}
