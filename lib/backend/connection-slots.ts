/** What bounds count by: one user's connections to one database of one server. Plain data. */
export type SlotPool = {
  readonly host: string
  readonly port: number
  /** The name that clients know it by. */
  readonly database: string
  readonly user: string
}

/** How things stand in a pool; each one said replaces the one before. */
export type SlotNeed = {
  /** Connections it would open now. */
  readonly wanted: number
  /** Somebody has waited for longer than reserve_pool_timeout: the reserve may be used. */
  readonly isLate: boolean
  /** Somebody waits who holds connections himself: if all do, the bound may be exceeded by one (see Pool). */
  readonly isUrgent: boolean
}

export const NO_NEED: SlotNeed = { wanted: 0, isLate: false, isUrgent: false }

export type MaybeAsync<T> = T | Promise<T>

/** The pool, as the keeper of the bounds sees it. Calls and answers are plain data: they may go between processes. */
export interface SlotHolder {
  /** So many connections may be opened now. What isn't needed any more is given back. */
  granted(count: number): void
  /**
   * Another pool needs a connection. An idle one is closed at once; else, when `isFair`, the next one that comes back,
   * even though others wait for it here. Returns whether one is or will be closed.
   */
  surrender(isFair: boolean): MaybeAsync<boolean>
  /** Every connection is lent to somebody who waits for another himself. */
  isBlocked(): MaybeAsync<boolean>
}

/** One pool's dealings with the bounds. */
export interface SlotLease {
  ask(need: SlotNeed): void
  /** So many connections that were granted are closed, or were never opened. */
  giveBack(count: number): void
  /** The pool is gone; its slots are free. */
  leave(): void
}

/**
 * Keeps pool_size, reserve_pool_size, max_db_connections and max_user_connections over all pools, of all processes: a
 * pool asks before each connect and gives back when the connection is closed.
 */
export interface ConnectionSlots {
  join(pool: SlotPool, holder: SlotHolder): SlotLease
}

/** 0: no limit. Those of databases and users count for each server by itself. */
export interface SlotLimits {
  poolSize(pool: SlotPool): number
  reserveSize(pool: SlotPool): number
  maxDatabaseConnections(pool: SlotPool): number
  maxUserConnections(pool: SlotPool): number
}
