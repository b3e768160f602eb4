import { RouterError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import { ConsoleActions } from './console-actions.ts'
import { type ConsoleCommand, consoleError, invalidCommand } from './console-command.ts'
import type { ProxyControl, ProxyView } from './proxy-ports.ts'
import { HELP, isDriverSetting, tableOf } from './show-commands.ts'
import type { Columns, ShownRow } from './shown-table.ts'

type ShowCommand = Extract<ConsoleCommand, { readonly kind: 'show' }>

/** stats: a user who may only SHOW. */
export type ConsoleRole = 'admin' | 'stats'

export type ConsoleNotice = { readonly message: string; readonly detail?: string }

export type ConsoleResult = {
  readonly tag: string
  /** undefined: nothing to show. */
  readonly table?: { readonly columns: Columns; readonly rows: readonly ShownRow[] }
  readonly notice?: ConsoleNotice
}

/** What every console client of a proxy shares. */
export class ConsoleRunner {
  readonly #view: ProxyView
  readonly #control: ProxyControl
  readonly #actions: ConsoleActions
  readonly #log: Log

  constructor(view: ProxyView, control: ProxyControl, log: Log) {
    this.#view = view
    this.#control = control
    this.#actions = new ConsoleActions(view, control)
    this.#log = log
  }

  /** Throws where the role may not run it, or where there is no such thing. Says what columns it will have. */
  check(command: ConsoleCommand, role: ConsoleRole): Columns | undefined {
    if (command.kind === 'empty') return undefined
    if (command.kind === 'show') return checkShow(command, role)
    const isHarmless = command.kind === 'set' && isDriverSetting(command.key)
    if (!isHarmless) checkAdmin(role)
    return undefined
  }

  /** `signal`: the client has cancelled the command, or is gone. */
  async run(
    command: ConsoleCommand,
    role: ConsoleRole,
    user: string,
    signal: AbortSignal,
  ): Promise<ConsoleResult> {
    this.check(command, role)
    switch (command.kind) {
      case 'empty':
        return { tag: '' }
      case 'show':
        return await this.#show(command)
      case 'set':
        return await this.#set(command.key, command.value, user)
      case 'act': {
        const { action, argument } = command
        const name = action.toUpperCase()
        this.#log.info('console command', { command: `${name} ${argument}`.trim(), user })
        await this.#actions.run(action, argument, signal)
        return { tag: name }
      }
    }
  }

  async #show({ what, text }: ShowCommand): Promise<ConsoleResult> {
    if (what === 'help') {
      return { tag: 'SHOW', notice: { message: 'Console usage', detail: HELP } }
    }
    const table = tableOf(what)
    if (table === undefined) throw invalidCommand(text)
    const view = this.#view.forCommand()
    const rows = await table.rows(view)
    const shown = { tag: 'SHOW', table: { columns: table.columns, rows } }
    return view.silent.size === 0 ? shown : { ...shown, notice: incomplete([...view.silent]) }
  }

  async #set(key: string, value: string, user: string): Promise<ConsoleResult> {
    if (isDriverSetting(key)) return { tag: 'SET', notice: { message: 'SET ignored' } }
    this.#log.info('console command', { command: `SET ${key}`, user })
    if (!(await this.#control.set(key, value))) {
      throw consoleError('SET failed', SqlState.invalidParameterValue)
    }
    return { tag: `SET ${key}=${value}` }
  }
}

/** Texts of clients' statements: what is in their literals is nobody else's. */
const SHOWN_TO_ADMINS: ReadonlySet<string> = new Set(['prepared', 'prepared_statements'])

function incomplete(silent: readonly number[]): ConsoleNotice {
  const names = silent.join(', ')
  const who = silent.length === 1 ? `process ${names}` : `processes ${names}`
  return {
    message: `${who} did not answer in time: what is shown is not all there is`,
    detail: 'Clients and server connections of processes that do not answer are missing.',
  }
}

function checkShow({ what, text }: ShowCommand, role: ConsoleRole): Columns | undefined {
  if (what === 'help') return undefined
  if (what === 'fds') {
    checkAdmin(role)
    throw new RouterError(SqlState.featureNotSupported, 'SHOW FDS is not supported', {
      detail: 'It would show keys and passwords.',
      hint: 'SHOW SOCKETS shows the rest.',
    })
  }
  if (SHOWN_TO_ADMINS.has(what)) checkAdmin(role)
  const table = tableOf(what)
  if (table === undefined) throw invalidCommand(text)
  return table.columns
}

function checkAdmin(role: ConsoleRole): void {
  if (role !== 'admin') {
    throw consoleError('admin access needed', SqlState.insufficientPrivilege)
  }
}
