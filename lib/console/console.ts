import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Login } from '../session/client/client-handshake.ts'
import type { ConsoleClient, ConsoleService, MessageRunner } from '../session/session-services.ts'
import { CONSOLE_DATABASES } from './console-actions.ts'
import type { ConsoleRunner } from './console-runner.ts'
import { ConsoleSession } from './console-session.ts'

/** May change with the configuration: asked anew at each login. */
export type ConsoleUsers = () => {
  readonly admins: readonly string[]
  readonly stats: readonly string[]
}

/** The databases `pgbouncer` and `pgloom`, for those who are listed as their users. */
export class Console implements ConsoleService {
  readonly #runner: ConsoleRunner
  readonly #users: ConsoleUsers
  readonly #version: string

  constructor(runner: ConsoleRunner, users: ConsoleUsers, version: string) {
    this.#runner = runner
    this.#users = users
    this.#version = version
  }

  serves(database: string): boolean {
    return CONSOLE_DATABASES.has(database)
  }

  open({ user }: Login, client: ConsoleClient): MessageRunner {
    const { admins, stats } = this.#users()
    const isAdmin = admins.includes(user)
    if (!isAdmin && !stats.includes(user)) throw notAllowed(user)
    const role = isAdmin ? 'admin' : 'stats'
    return new ConsoleSession(this.#runner, { name: user, role }, client, this.#version)
  }
}

function notAllowed(user: string): RouterError {
  return new RouterError(SqlState.invalidAuthorizationSpecification, 'not allowed', {
    severity: 'FATAL',
    detail: `User "${user}" is not a user of the console.`,
    hint: 'Users of the console are those of console.admin_users and console.stats_users.',
  })
}
