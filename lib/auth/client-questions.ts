import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { HbaClient, HbaQuestions } from './hba-rules.ts'
import { type HostResolver, hostNameOf } from './host-name.ts'
import type { RoleLookup } from './role-query.ts'

/** What rules need to know of one client, each asked once at most. */
export class ClientQuestions implements HbaQuestions {
  readonly #client: HbaClient
  readonly #roleLookup: RoleLookup
  readonly #resolver: HostResolver
  #roles: Promise<ReadonlySet<string>> | undefined
  #hostName: Promise<string | undefined> | undefined

  constructor(client: HbaClient, roleLookup: RoleLookup, resolver: HostResolver) {
    this.#client = client
    this.#roleLookup = roleLookup
    this.#resolver = resolver
  }

  /** A rule that can't be decided isn't passed over: the next might let in whom this one rejects. */
  async roles(): Promise<ReadonlySet<string>> {
    const { user, database } = this.#client
    this.#roles ??= this.#roleLookup.rolesOf(user, database)
    try {
      return await this.#roles
    } catch (cause) {
      throw lookupFailed(cause)
    }
  }

  async hostName(): Promise<string | undefined> {
    const { address } = this.#client
    if (address === undefined) return undefined
    this.#hostName ??= hostNameOf(address, this.#resolver)
    return await this.#hostName
  }
}

/** Why is in the log only: whoever asks has not proved anything. */
export function lookupFailed(cause: unknown): RouterError {
  const message = 'users cannot be looked up at the moment'
  return new RouterError(SqlState.cannotConnectNow, message, { severity: 'FATAL', cause })
}
