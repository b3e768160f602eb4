import type { Log } from '../base/log.ts'
import { AnswerCache } from './answer-cache.ts'
import { isName } from './auth-query.ts'
import { QuestionLines, type QuestionTarget } from './question-lines.ts'

/** Who knows which roles a user is a member of. */
export interface RoleLookup {
  /** Directly or not, himself included; of nobody: none. Rejects where it can't be known. */
  rolesOf(user: string, database: string): Promise<ReadonlySet<string>>
}

export type RoleQueryOptions = {
  /** undefined: there is nobody as whom a server could be asked. */
  readonly targetOf: (database: string) => QuestionTarget | undefined
  readonly log: Log
  readonly cacheMs?: number
}

/** As pg_hba.conf has it (is_member_of_role_nosuper): a superuser is a member of nothing just by being one. */
const ROLES = `WITH RECURSIVE roles AS (
  SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1
  UNION
  SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN roles r ON m.member = r.oid
) SELECT r.rolname FROM pg_catalog.pg_roles r JOIN roles USING (oid)`

/** Asks the servers for `+role`, samerole and samegroup of hba rules. */
export class RoleQuery implements RoleLookup {
  readonly #options: RoleQueryOptions
  readonly #lines = new QuestionLines()
  readonly #cache: AnswerCache<ReadonlySet<string>>

  constructor(options: RoleQueryOptions) {
    this.#options = options
    this.#cache = new AnswerCache(options.cacheMs)
  }

  async rolesOf(user: string, database: string): Promise<ReadonlySet<string>> {
    if (!isName(user)) return new Set()
    const target = this.#options.targetOf(database)
    if (target === undefined) {
      const hint = 'Set auth_user, who asks the servers for the members of roles.'
      this.#options.log.warn('roles of hba rules are not known', { database, hint })
      throw new Error('there is no auth_user')
    }
    return await this.#cache.get(`${target.key}\0${user}`, () => this.#ask(target, user))
  }

  close(): void {
    this.#lines.close()
    this.#cache.clear()
  }

  async #ask(target: QuestionTarget, user: string): Promise<ReadonlySet<string>> {
    try {
      const rows = await this.#lines.ask(target, ROLES, user)
      return new Set(rows.map(([name = '']) => name))
    } catch (error) {
      this.#options.log.warn('roles of a user cannot be asked for', { user, error })
      throw error
    }
  }
}
