import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClientOutput } from '../session/client/client-output.ts'
import {
  writeBindComplete,
  writeCloseComplete,
  writeCommandComplete,
  writeEmptyQueryResponse,
  writeNoData,
  writeParseComplete,
  writePortalSuspended,
} from '../wire/backend-messages.ts'
import {
  readBind,
  readClose,
  readDescribe,
  readEmpty,
  readExecute,
  readParse,
} from '../wire/frontend-messages.ts'
import { Frontend } from '../wire/message-codes.ts'
import { writeParameterDescription } from '../wire/row-description.ts'
import { type ConsoleCommand, parseConsoleCommand } from './console-command.ts'
import type { ConsoleResult } from './console-runner.ts'
import { type Columns, writeColumns, writeRow } from './shown-table.ts'

/** Nobody needs more; a client that forgets to close them must not fill our memory. */
const MAX_NAMES = 1000

type Portal = {
  readonly command: ConsoleCommand
  readonly formats: readonly number[]
  /** What has been run already, and how many of its rows the client has. */
  result: ConsoleResult | undefined
  sent: number
}

/** Parse, Bind, Describe, Execute and Close of one console client. Commands take no parameters. */
export class ConsolePortals {
  readonly #output: ClientOutput
  readonly #check: (command: ConsoleCommand) => Columns | undefined
  readonly #run: (command: ConsoleCommand) => Promise<ConsoleResult>
  readonly #statements = new Map<string, ConsoleCommand>()
  readonly #portals = new Map<string, Portal>()

  constructor(
    output: ClientOutput,
    check: (command: ConsoleCommand) => Columns | undefined,
    run: (command: ConsoleCommand) => Promise<ConsoleResult>,
  ) {
    this.#output = output
    this.#check = check
    this.#run = run
  }

  /** At Sync: portals end with their transaction. */
  clear(): void {
    this.#portals.clear()
  }

  async step(type: number, frame: Buffer): Promise<void> {
    switch (type) {
      case Frontend.parse:
        return this.#parse(frame)
      case Frontend.bind:
        return this.#bind(frame)
      case Frontend.describe:
        return this.#describe(frame)
      case Frontend.execute:
        return await this.#execute(frame)
      case Frontend.close:
        return this.#close(frame)
      default:
        readEmpty(frame)
        this.#output.flush()
    }
  }

  #parse(frame: Buffer): void {
    const { name, text } = readParse(frame)
    if (name !== '' && this.#statements.has(name)) {
      const message = `prepared statement "${name}" already exists`
      throw new RouterError(SqlState.duplicatePreparedStatement, message)
    }
    const command = parseConsoleCommand(text.toString('utf8'))
    this.#check(command)
    this.#checkRoom(this.#statements)
    this.#statements.set(name, command)
    writeParseComplete(this.#output.frames)
  }

  #bind(frame: Buffer): void {
    const { portal, statement, values, resultFormats } = readBind(frame)
    const command = this.#statement(statement)
    if (values.length > 0) {
      throw new RouterError(
        SqlState.protocolViolation,
        'commands of the console take no parameters',
      )
    }
    this.#checkRoom(this.#portals)
    this.#portals.set(portal, { command, formats: resultFormats, result: undefined, sent: 0 })
    writeBindComplete(this.#output.frames)
  }

  #describe(frame: Buffer): void {
    const { kind, name } = readDescribe(frame)
    const { frames } = this.#output
    if (kind === 'statement') {
      const columns = this.#check(this.#statement(name))
      writeParameterDescription(frames, [])
      this.#writeColumns(columns, [])
      return
    }
    const { command, formats } = this.#portal(name)
    this.#writeColumns(this.#check(command), formats)
  }

  async #execute(frame: Buffer): Promise<void> {
    const { portal: name, maxRows } = readExecute(frame)
    const portal = this.#portal(name)
    portal.result ??= await this.#run(portal.command)
    const { table, tag } = portal.result
    const rows = table?.rows ?? []
    const end = maxRows > 0 ? Math.min(rows.length, portal.sent + maxRows) : rows.length
    for (const row of rows.slice(portal.sent, end)) {
      writeRow(this.#output.frames, table?.columns ?? {}, row, portal.formats)
    }
    portal.sent = end
    const { frames } = this.#output
    if (end < rows.length) writePortalSuspended(frames)
    else if (tag === '') writeEmptyQueryResponse(frames)
    else writeCommandComplete(frames, tag)
  }

  #close(frame: Buffer): void {
    const { kind, name } = readClose(frame)
    if (kind === 'statement') this.#statements.delete(name)
    else this.#portals.delete(name)
    writeCloseComplete(this.#output.frames)
  }

  #writeColumns(columns: Columns | undefined, formats: readonly number[]): void {
    if (columns === undefined) writeNoData(this.#output.frames)
    else writeColumns(this.#output.frames, columns, formats)
  }

  #statement(name: string): ConsoleCommand {
    const command = this.#statements.get(name)
    if (command !== undefined) return command
    const message = `prepared statement "${name}" does not exist`
    throw new RouterError(SqlState.invalidSqlStatementName, message)
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name)
    if (portal !== undefined) return portal
    throw new RouterError(SqlState.invalidCursorName, `portal "${name}" does not exist`)
  }

  #checkRoom(names: ReadonlyMap<string, unknown>): void {
    if (names.size < MAX_NAMES) return
    throw new RouterError(SqlState.configurationLimitExceeded, 'too many names are in use', {
      hint: 'Close statements and portals that are no longer needed.',
    })
  }
}
