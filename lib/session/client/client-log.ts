import { BackendLost, type RouterError, ServerError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { ClientCustoms } from './client-customs.ts'

type Address = {
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
}

type Name = { readonly user: string; readonly database: string }

/** What the log says of one client's coming and going: PgBouncer's log_connections, log_disconnections and log_pooler_errors. */
export class ClientLog {
  readonly #log: Log
  readonly #customs: ClientCustoms
  readonly #address: Address
  readonly #sinceMs = performance.now()
  #name: Name | undefined
  #reason = 'the client has gone'

  /** `customs` may change: they are read each time. */
  constructor(log: Log, customs: ClientCustoms, address: Address) {
    this.#log = log
    this.#customs = customs
    this.#address = address
  }

  welcomed(name: Name | undefined): void {
    if (name === undefined) return
    this.#name = name
    if (this.#customs.logsConnections) this.#log.info('client connected', this.#fields(name))
  }

  /** With an error that ends the session. `claimed`: whom the client says it is. */
  refused(error: RouterError, claimed: Name | undefined): void {
    const { sqlState, message: reason } = error
    this.#reason = reason
    if (!this.#customs.logsErrors || (error instanceof ServerError && this.#name !== undefined))
      return
    const what = this.#name === undefined ? 'client refused' : 'session ended by an error'
    const cause = error instanceof BackendLost ? { cause: error.cause } : {}
    this.#log.info(what, { ...this.#fields(this.#name ?? claimed), sqlState, reason, ...cause })
  }

  left(): void {
    if (this.#name === undefined || !this.#customs.logsDisconnections) return
    const seconds = Math.round((performance.now() - this.#sinceMs) / 1000)
    this.#log.info('client disconnected', {
      ...this.#fields(this.#name),
      seconds,
      reason: this.#reason,
    })
  }

  #fields(name: Name | undefined) {
    const { remoteAddress: address, remotePort: port } = this.#address
    return { user: name?.user, database: name?.database, address, port }
  }
}
