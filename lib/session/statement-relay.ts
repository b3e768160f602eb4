import type { BackendConnection } from '../backend/backend-connection.ts'
import type { BackendLost, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { ClientPort } from '../executor/ports.ts'
import { type RelayOwner, RelaySink } from '../executor/relay/relay-sink.ts'

/** What a relay tells its session besides the answer itself. */
export interface RelayEvents {
  parameterStatus(name: string, value: string): void
  notification(chunk: Buffer, start: number, end: number): void
  /** The client's CopyData are for `connection` now, until the relay is done. */
  copyInStarted(connection: BackendConnection): void
  /** Why the statement at hand was cancelled, if it was. */
  cancelReason(): RouterError | undefined
}

/**
 * One request at a time, relayed to the client. begin(), write the request, then finish() with a callback (no promise
 * on the hot path) or await finished().
 */
export class StatementRelay implements RelayOwner {
  readonly sink: RelaySink
  readonly #events: RelayEvents
  /** Asked of the ReadyForQuery of a plain answer. */
  mayPassReady: ((status: number) => boolean) | undefined
  #connection: BackendConnection | undefined
  #onDone: ((error: RouterError | undefined) => void) | undefined
  /** The connection was lost before finish() said whom to tell. */
  #earlyLoss: RouterError | undefined

  constructor(client: ClientPort, events: RelayEvents) {
    this.#events = events
    this.sink = new RelaySink(client, this)
  }

  /** The connection whose answer is being relayed. */
  get connection(): BackendConnection | undefined {
    return this.#connection
  }

  /** Opens the connection for one request; its bytes are to be written next. */
  begin(connection: BackendConnection, catalog: Catalog): void {
    this.#earlyLoss = undefined
    this.sink.reset(connection, catalog)
    this.#connection = connection
    connection.open(this.sink)
  }

  /** Sends what was written. `onDone` gets the server's error, which has not gone to the client yet. */
  finish(onDone: (error: RouterError | undefined) => void): void {
    const loss = this.#earlyLoss
    this.#earlyLoss = undefined
    if (loss !== undefined) {
      onDone(loss)
      return
    }
    this.#onDone = onDone
    this.#connection?.flush()
  }

  finished(): Promise<RouterError | undefined> {
    return new Promise((resolve) => this.finish(resolve))
  }

  /** The connection of a request that is under way is closed. */
  abandon(reason: BackendLost): void {
    this.#connection?.close(reason)
  }

  passesReady(status: number): boolean {
    return this.mayPassReady?.(status) === true
  }

  relayDone(relay: RelaySink): void {
    this.#done(relay.error)
  }

  relayLost(_relay: RelaySink, error: BackendLost): void {
    this.#done(error)
  }

  parameterStatus(name: string, value: string): void {
    this.#events.parameterStatus(name, value)
  }

  notification(chunk: Buffer, start: number, end: number): void {
    this.#events.notification(chunk, start, end)
  }

  copyInStarted(): void {
    if (this.#connection !== undefined) this.#events.copyInStarted(this.#connection)
  }

  #done(error: RouterError | undefined): void {
    const onDone = this.#onDone
    this.#connection = undefined
    this.#onDone = undefined
    const isCancelled = error?.sqlState === SqlState.queryCanceled
    const shown = isCancelled ? (this.#events.cancelReason() ?? error) : error
    if (onDone === undefined) this.#earlyLoss = shown
    else onDone(shown)
  }
}
