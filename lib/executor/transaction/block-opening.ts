import type { BackendConnection } from '../../backend/backend-connection.ts'
import { NO_SETTINGS, type SessionSettings, type Settings } from '../../backend/session-state.ts'
import type { RouterError } from '../../base/errors.ts'
import { writeQuery } from '../../wire/frontend-messages.ts'
import { ReplayLog } from './replay-log.ts'
import { slipIn } from './slip-in.ts'
import { SwallowSink } from './swallow-sink.ts'

/**
 * How each node's part of a block begins: with what the session holds, then BEGIN and what was said since, then SET LOCAL. It is
 * pipelined before the node's first statement; BEGIN by itself may go along with that, as takeLead() says.
 */
export class BlockOpening {
  /** What those who join are told. */
  replay = new ReplayLog('BEGIN')
  readonly #settings: SessionSettings
  /** Settings when the block began: later ones don't change how it does. */
  #defaults: Settings = NO_SETTINGS
  /** It has joined the block, which it has not been told yet. */
  #lead: BackendConnection | undefined

  /** Of something slipped in before a statement, which itself then failed with 25P02, or with the connection. */
  error: RouterError | undefined = undefined
  readonly onError = (error: RouterError): void => {
    this.error ??= error
  }

  constructor(settings: SessionSettings) {
    this.#settings = settings
  }

  begin(text: string): void {
    this.#defaults = this.#settings.session
    this.#lead = undefined
    this.error = undefined
    this.replay = new ReplayLog(text)
  }

  /** `leads`: the caller asks takeLead() in this turn, and writes that before his statement. */
  join(connection: BackendConnection, leads: boolean): BackendConnection {
    this.#settle(connection)
    const local = this.#takeLocal(connection)
    if (leads && local === '' && this.replay.isOneCommand) {
      this.#lead = connection
      return connection
    }
    this.#slip(connection, this.replay.text + (local === '' ? '' : `\n; ${local}`))
    return connection
  }

  /** Before a later statement. */
  keepUp(connection: BackendConnection): void {
    this.#slip(connection, this.#takeLocal(connection))
  }

  /** BEGIN, if that is to go along with the first statement on this connection; '' mostly. */
  takeLead(connection: BackendConnection): string {
    if (this.#lead !== connection) return ''
    this.#lead = undefined
    return this.replay.text
  }

  sendLead(): void {
    const connection = this.#lead
    if (connection !== undefined) this.#slip(connection, this.takeLead(connection))
  }

  /** The connection keeps it. Closed if the server refuses, with all that was sent after it. */
  #settle(connection: BackendConnection): void {
    const text = connection.settings.syncText(this.#defaults, false)
    if (text === '') return
    connection.settings.synced(this.#defaults, false)
    connection.open(new SwallowSink(connection, this.onError, 'before a block'))
    writeQuery(connection.out, text)
    connection.flush()
  }

  /** What brings it in step by SET LOCAL; from here on it counts as in step. */
  #takeLocal({ settings }: BackendConnection): string {
    const { effective } = this.#settings
    const text = settings.syncText(effective, true)
    if (text !== '') settings.synced(effective, true)
    return text
  }

  #slip(connection: BackendConnection, text: string): void {
    slipIn(connection, text, this.onError)
  }
}
