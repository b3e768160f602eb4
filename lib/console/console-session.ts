import { asRouterError, ProtocolError, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { QueuedMessage } from '../session/message-inbox.ts'
import type { ConsoleClient, MessageRunner } from '../session/session-services.ts'
import {
  writeCommandComplete,
  writeEmptyQueryResponse,
  writeParameterStatus,
  writeReadyForQuery,
} from '../wire/backend-messages.ts'
import { writeError, writeNotice } from '../wire/error-messages.ts'
import { readEmpty, readQuery } from '../wire/frontend-messages.ts'
import { Frontend, TransactionStatus } from '../wire/message-codes.ts'
import { type ConsoleCommand, parseConsoleCommand } from './console-command.ts'
import { ConsolePortals } from './console-portals.ts'
import type { ConsoleResult, ConsoleRole, ConsoleRunner } from './console-runner.ts'
import { writeColumns, writeRow } from './shown-table.ts'

/** What PgBouncer tells at login; drivers look at the version and the encoding. */
const PARAMETERS: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['server_encoding', 'UTF8'],
  ['DateStyle', 'ISO'],
  ['TimeZone', 'GMT'],
  ['standard_conforming_strings', 'on'],
  ['is_superuser', 'on'],
]

export type ConsoleUser = { readonly name: string; readonly role: ConsoleRole }

/** One client of the console: simple and extended protocol, no transactions. */
export class ConsoleSession implements MessageRunner {
  readonly #runner: ConsoleRunner
  readonly #user: ConsoleUser
  readonly #client: ConsoleClient
  readonly #portals: ConsolePortals
  /** After an error in the extended protocol: everything up to Sync is dropped. */
  #isSkipping = false

  constructor(runner: ConsoleRunner, user: ConsoleUser, client: ConsoleClient, version: string) {
    this.#runner = runner
    this.#user = user
    this.#client = client
    this.#portals = new ConsolePortals(
      client.output,
      (command) => runner.check(command, user.role),
      (command) => this.#run(command),
    )
    for (const [name, value] of [['server_version', version] as const, ...PARAMETERS]) {
      writeParameterStatus(client.output.frames, { name, value })
    }
  }

  isDue(): boolean {
    return this.#client.inbox.length > 0
  }

  async next(): Promise<void> {
    const message = this.#client.inbox.shift()
    if (message === undefined) return
    if (this.#isSkipping && message.type !== Frontend.sync) return
    switch (message.type) {
      case Frontend.query:
        await this.#query(readQuery(message.frame).text)
        return this.#ready()
      case Frontend.sync:
        readEmpty(message.frame)
        this.#isSkipping = false
        this.#portals.clear()
        return this.#ready()
      case Frontend.functionCall:
        this.#answerError(new RouterError(SqlState.featureNotSupported, 'no functions here'))
        return this.#ready()
      case Frontend.copyData:
      case Frontend.copyDone:
      case Frontend.copyFail:
        return
      default:
        await this.#step(message)
    }
  }

  async #query(text: Buffer): Promise<void> {
    try {
      const result = await this.#run(parseConsoleCommand(text.toString('utf8')))
      const { output } = this.#client
      const { table, tag } = result
      if (table !== undefined) {
        writeColumns(output.frames, table.columns)
        for (const row of table.rows) writeRow(output.frames, table.columns, row)
      }
      if (tag === '') writeEmptyQueryResponse(output.frames)
      else writeCommandComplete(output.frames, tag)
    } catch (error) {
      this.#answerError(error)
    }
  }

  async #step({ type, frame }: QueuedMessage): Promise<void> {
    try {
      await this.#portals.step(type, frame)
    } catch (error) {
      this.#isSkipping = true
      this.#answerError(error)
    }
  }

  async #run(command: ConsoleCommand): Promise<ConsoleResult> {
    const { name, role } = this.#user
    const result = await this.#runner.run(command, role, name, this.#client.signal())
    const { notice } = result
    if (notice !== undefined) {
      writeNotice(this.#client.output.frames, { severity: 'NOTICE', ...notice })
    }
    return result
  }

  /** Errors of the protocol end the session. */
  #answerError(error: unknown): void {
    const shown = asRouterError(error)
    if (shown !== error) this.#client.log.error('internal error', { error })
    if (error instanceof ProtocolError || shown.severity !== 'ERROR') throw shown
    writeError(this.#client.output.frames, shown)
  }

  #ready(): void {
    writeReadyForQuery(this.#client.output.frames, TransactionStatus.idle)
  }
}
