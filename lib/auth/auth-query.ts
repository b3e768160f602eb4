import type { BackendConnection } from '../backend/backend-connection.ts'
import { BackendLost, type RouterError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { LruMap } from '../base/lru-map.ts'
import { query } from '../executor/node-client.ts'
import { readUserSecret, type UserSecret } from './user-secret.ts'

/** Where users who are in no file are looked up. */
export interface UserLookup {
  /** undefined: there is no such user, or he may not log in. Rejects with BackendLost when the server is down. */
  find(user: string, database: string): Promise<UserSecret | undefined>
  /** The next find() asks the server. */
  forget(user: string, database: string): void
}

export type AuthQueryTarget = {
  /** Equal for clients' databases that are looked up in the same one. */
  readonly key: string
  /** Returns name and secret of user $1. */
  readonly sql: string
  /** As auth_user, with AUTH_QUERY_PARAMETERS. */
  readonly connect: () => Promise<BackendConnection>
}

/**
 * Nothing of the client's startup packet comes here, and names mean what Postgres means by them: else whoever sets
 * search_path could have functions of his run before he has logged in (CVE-2025-12819).
 */
export const AUTH_QUERY_PARAMETERS = {
  application_name: 'pgloom auth_query',
  search_path: 'pg_catalog',
} as const

export type AuthQueryOptions = {
  /** undefined: users of this database are not looked up. */
  readonly targetOf: (database: string) => AuthQueryTarget | undefined
  readonly log: Log
  readonly cacheMs?: number
}

/** Also for users who don't exist: they must not be told by the time that they take. */
const CACHE_MS = 10_000
const CACHED_USERS = 10_000
const IDLE_MS = 30_000
const QUERY_TIMEOUT_MS = 10_000
/** NAMEDATALEN - 1: a server would cut longer names off, and find somebody else. */
const MAX_NAME_BYTES = 63

type Found = { readonly secret: Promise<UserSecret | undefined>; readonly expiresAtMs: number }

/** Asks the servers for secrets of users, over one connection for each database, one user after the other. */
export class AuthQuery implements UserLookup {
  readonly #options: AuthQueryOptions
  readonly #lines = new Map<string, QueryLine>()
  readonly #cache = new LruMap<string, Found>(CACHED_USERS)

  constructor(options: AuthQueryOptions) {
    this.#options = options
  }

  async find(user: string, database: string): Promise<UserSecret | undefined> {
    const target = this.#options.targetOf(database)
    if (target === undefined || !isName(user)) return undefined
    const key = cacheKey(target, user)
    const known = this.#cache.get(key)
    if (known !== undefined && known.expiresAtMs > performance.now()) return await known.secret
    const secret = this.#ask(target, user)
    const expiresAtMs = performance.now() + (this.#options.cacheMs ?? CACHE_MS)
    this.#cache.set(key, { secret, expiresAtMs })
    // a server that is down is asked again
    secret.catch(() => this.#cache.delete(key))
    return await secret
  }

  forget(user: string, database: string): void {
    const target = this.#options.targetOf(database)
    if (target !== undefined) this.#cache.delete(cacheKey(target, user))
  }

  close(): void {
    for (const line of this.#lines.values()) line.close()
    this.#lines.clear()
    this.#cache.clear()
  }

  /** Whatever goes wrong, nobody is found (CVE-2015-6817). */
  async #ask(target: AuthQueryTarget, user: string): Promise<UserSecret | undefined> {
    try {
      return readRow(await this.#line(target).query(user), user)
    } catch (error) {
      const hint = 'Names in auth_query must be qualified: its search_path is pg_catalog.'
      this.#options.log.warn('auth_query failed', { user, error, hint })
      if (error instanceof BackendLost) throw error
      return undefined
    }
  }

  #line(target: AuthQueryTarget): QueryLine {
    const known = this.#lines.get(target.key)
    if (known !== undefined) return known
    const line = new QueryLine(target)
    this.#lines.set(target.key, line)
    return line
  }
}

type Row = readonly (string | undefined)[]

/** One connection at most, made when needed, closed when nobody has logged in for a while. */
class QueryLine {
  readonly #target: AuthQueryTarget
  #connection: BackendConnection | undefined
  #last: Promise<unknown> = Promise.resolve()
  #idleTimer: NodeJS.Timeout | undefined

  constructor(target: AuthQueryTarget) {
    this.#target = target
  }

  query(user: string): Promise<readonly Row[]> {
    const answer = this.#last.then(() => this.#queryNow(user))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  close(): void {
    clearTimeout(this.#idleTimer)
    this.#connection?.close()
    this.#connection = undefined
  }

  async #queryNow(user: string): Promise<readonly Row[]> {
    clearTimeout(this.#idleTimer)
    const connection = await this.#connected()
    const timer = setTimeout(() => {
      const late: RouterError = new BackendLost('timed out waiting for auth_query', true)
      connection.close(late)
    }, QUERY_TIMEOUT_MS)
    try {
      return (await query(connection, this.#target.sql, [user])).rows
    } finally {
      clearTimeout(timer)
      this.#idleTimer = setTimeout(() => this.close(), IDLE_MS)
      this.#idleTimer.unref()
    }
  }

  async #connected(): Promise<BackendConnection> {
    if (this.#connection?.isReusable !== true) {
      this.#connection?.close()
      this.#connection = undefined
      this.#connection = await this.#target.connect()
    }
    return this.#connection
  }
}

/** The row must be of this very user: one that an odd query returns for somebody else lets nobody in. */
function readRow(rows: readonly Row[], user: string): UserSecret | undefined {
  const [row] = rows
  if (row === undefined || rows.length > 1 || row[0] !== user) return undefined
  return readUserSecret(row[1] ?? '')
}

function isName(user: string): boolean {
  return Buffer.byteLength(user) <= MAX_NAME_BYTES
}

function cacheKey(target: AuthQueryTarget, user: string): string {
  return `${target.key}\0${user}`
}
