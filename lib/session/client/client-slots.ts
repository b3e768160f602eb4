import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'

/** Who takes a slot. Plain data. */
export type ClientName = { readonly database: string; readonly user: string }

export type ClientLimit =
  | 'max_client_conn'
  | 'max_db_client_connections'
  | 'max_user_client_connections'

/** 0: no limit; but of `total`. */
export type ClientLimits = {
  readonly total: number
  readonly ofDatabase: (database: string) => number
  readonly ofUser: (user: string) => number
}

/** Whoever has logged in holds a slot until it leaves. Cancel requests need none. */
export interface ClientSlots {
  /** max_client_conn. */
  readonly limit: number
  /** undefined: it has one now. Else the limit that is reached. */
  take(client: ClientName): ClientLimit | undefined | Promise<ClientLimit | undefined>
  /** Once for each slot taken. */
  give(client: ClientName): void
}

/** The slots of one process, or of all where it counts for others, too. */
export class CountedClientSlots implements ClientSlots {
  #limits: ClientLimits
  #taken = 0
  readonly #ofDatabase = new Map<string, number>()
  readonly #ofUser = new Map<string, number>()

  constructor(limits: ClientLimits) {
    this.#limits = limits
  }

  /** Whoever is in stays. */
  reload(limits: ClientLimits): void {
    this.#limits = limits
  }

  get limit(): number {
    return this.#limits.total
  }

  get taken(): number {
    return this.#taken
  }

  take({ database, user }: ClientName): ClientLimit | undefined {
    const { total, ofDatabase, ofUser } = this.#limits
    if (this.#taken >= total) return 'max_client_conn'
    if (isReached(this.#ofDatabase, database, ofDatabase)) return 'max_db_client_connections'
    if (isReached(this.#ofUser, user, ofUser)) return 'max_user_client_connections'
    this.#add(database, user, 1)
    return undefined
  }

  give({ database, user }: ClientName): void {
    this.#add(database, user, -1)
  }

  #add(database: string, user: string, count: number): void {
    this.#taken += count
    add(this.#ofDatabase, database, count)
    add(this.#ofUser, user, count)
  }
}

function isReached(
  counts: ReadonlyMap<string, number>,
  name: string,
  limitOf: (name: string) => number,
): boolean {
  const limit = limitOf(name)
  return limit > 0 && (counts.get(name) ?? 0) >= limit
}

function add(counts: Map<string, number>, name: string, count: number): void {
  const sum = (counts.get(name) ?? 0) + count
  if (sum > 0) counts.set(name, sum)
  else counts.delete(name)
}

/** PgBouncer's words. */
export function tooManyClients(limit: ClientLimit): RouterError {
  const message =
    limit === 'max_client_conn'
      ? 'no more connections allowed (max_client_conn)'
      : `client connections exceeded (${limit})`
  return new RouterError(SqlState.tooManyConnections, message, { severity: 'FATAL' })
}
