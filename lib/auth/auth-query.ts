import { BackendLost } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { AnswerCache } from './answer-cache.ts'
import { QuestionLines, type QuestionRow, type QuestionTarget } from './question-lines.ts'
import { readUserSecret, type UserSecret } from './user-secret.ts'

/** Where users who are in no file are looked up. */
export interface UserLookup {
  /** undefined: there is no such user, or he may not log in. Rejects with BackendLost when the server is down. */
  find(user: string, database: string): Promise<UserSecret | undefined>
  /** The next find() asks the server. */
  forget(user: string, database: string): void
}

/** As auth_user. Equal keys: clients' databases that are looked up in the same one by the same query. */
export type AuthQueryTarget = QuestionTarget & {
  /** Returns name and secret of user $1. */
  readonly sql: string
}

export type AuthQueryOptions = {
  /** undefined: users of this database are not looked up. */
  readonly targetOf: (database: string) => AuthQueryTarget | undefined
  readonly log: Log
  readonly cacheMs?: number
}

/** NAMEDATALEN - 1: a server would cut longer names off, and find somebody else. */
const MAX_NAME_BYTES = 63

/** Asks the servers for secrets of users, over one connection for each database, one user after the other. */
export class AuthQuery implements UserLookup {
  readonly #options: AuthQueryOptions
  readonly #lines = new QuestionLines()
  readonly #cache: AnswerCache<UserSecret | undefined>

  constructor(options: AuthQueryOptions) {
    this.#options = options
    this.#cache = new AnswerCache(options.cacheMs)
  }

  async find(user: string, database: string): Promise<UserSecret | undefined> {
    const target = this.#options.targetOf(database)
    if (target === undefined || !isName(user)) return undefined
    return await this.#cache.get(cacheKey(target, user), () => this.#ask(target, user))
  }

  forget(user: string, database: string): void {
    const target = this.#options.targetOf(database)
    if (target !== undefined) this.#cache.delete(cacheKey(target, user))
  }

  close(): void {
    this.#lines.close()
    this.#cache.clear()
  }

  /** Whatever goes wrong, nobody is found (CVE-2015-6817). */
  async #ask(target: AuthQueryTarget, user: string): Promise<UserSecret | undefined> {
    try {
      return readRow(await this.#lines.ask(target, target.sql, user), user)
    } catch (error) {
      const hint = 'Names in auth_query must be qualified: its search_path is pg_catalog.'
      this.#options.log.warn('auth_query failed', { user, error, hint })
      if (error instanceof BackendLost) throw error
      return undefined
    }
  }
}

/** The row must be of this very user: one that an odd query returns for somebody else lets nobody in. */
function readRow(rows: readonly QuestionRow[], user: string): UserSecret | undefined {
  const [row] = rows
  if (row === undefined || rows.length > 1 || row[0] !== user) return undefined
  return readUserSecret(row[1] ?? '')
}

export function isName(user: string): boolean {
  return Buffer.byteLength(user) <= MAX_NAME_BYTES
}

function cacheKey(target: AuthQueryTarget, user: string): string {
  return `${target.key}\0${user}`
}
