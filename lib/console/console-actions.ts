import { SqlState } from '../base/sqlstate.ts'
import { type ConsoleAction, consoleError, invalidCommand } from './console-command.ts'
import type { ProxyControl, ProxyView, ShutdownMode } from './proxy-ports.ts'

/** The names of the database that is the console. */
export const CONSOLE_DATABASES: ReadonlySet<string> = new Set(['pgbouncer', 'pgloom'])

/** Larger than any id, and than what a JavaScript number holds. */
const CLIENT_ID = /^[0-9]{1,15}$/

/** Carries out commands for an administrator; conditions and messages are PgBouncer's. */
export class ConsoleActions {
  readonly #view: ProxyView
  readonly #control: ProxyControl

  constructor(view: ProxyView, control: ProxyControl) {
    this.#view = view
    this.#control = control
  }

  async run(action: ConsoleAction, argument: string, signal: AbortSignal): Promise<void> {
    switch (action) {
      case 'reload':
        return await this.#control.reload()
      case 'pause':
        return await this.#pause(argument, signal)
      case 'resume':
        return await this.#resume(argument)
      case 'disable':
        return await this.#setDisabled(argument, true)
      case 'enable':
        return await this.#setDisabled(argument, false)
      case 'kill':
        return await this.#kill(argument)
      case 'kill_client':
        return await this.#killClient(argument)
      case 'reconnect':
        return await this.#control.reconnect(this.#database(argument, 'cannot reconnect admin db'))
      case 'wait_close':
        return await this.#control.waitClose(
          this.#database(argument, 'cannot wait in admin db'),
          signal,
        )
      case 'suspend':
        return await this.#suspend(signal)
      case 'shutdown':
        return await this.#control.shutdown(shutdownMode(argument))
    }
  }

  async #pause(argument: string, signal: AbortSignal): Promise<void> {
    await this.#checkActive()
    await this.#control.pause(this.#database(argument, 'cannot pause admin db'), signal)
  }

  async #resume(argument: string): Promise<void> {
    const { mode, paused } = await this.#view.gates()
    if (argument === '') {
      if (mode === 'active') throw consoleError('pooler is not paused/suspended', NOT_SO)
      return await this.#control.resume(undefined)
    }
    const database = this.#database(argument, 'cannot resume admin db')
    if (!paused.includes(argument)) throw consoleError(`database ${argument} is not paused`, NOT_SO)
    await this.#control.resume(database)
  }

  async #setDisabled(argument: string, isDisabled: boolean): Promise<void> {
    const verb = isDisabled ? 'disable' : 'enable'
    const database = this.#database(argument, `cannot ${verb} admin db`)
    if (database !== undefined) await this.#control.setDisabled(database, isDisabled)
  }

  async #kill(argument: string): Promise<void> {
    await this.#checkActive()
    await this.#control.kill(this.#database(argument, 'cannot kill admin db'))
  }

  async #killClient(argument: string): Promise<void> {
    if (!CLIENT_ID.test(argument)) throw consoleError('invalid client pointer supplied')
    const isFound = await this.#control.killClient(Number(argument))
    if (!isFound) throw consoleError('client not found')
  }

  async #suspend(signal: AbortSignal): Promise<void> {
    await this.#checkActive()
    const { paused } = await this.#view.gates()
    if (paused.length > 0) throw consoleError('cannot suspend with paused databases', NOT_SO)
    await this.#control.suspend(signal)
  }

  async #checkActive(): Promise<void> {
    const { mode } = await this.#view.gates()
    if (mode !== 'active') throw consoleError('already suspended/paused', NOT_SO)
  }

  /** undefined: none was named, all are meant. */
  #database(name: string, refusal: string): string | undefined {
    if (name === '') return undefined
    if (CONSOLE_DATABASES.has(name)) throw consoleError(`${refusal}: ${name}`)
    const isKnown = this.#view.databases().some((one) => one.name === name || one.name === '*')
    if (!isKnown) throw consoleError(`no such database: ${name}`, SqlState.invalidCatalogName)
    return name
  }
}

const NOT_SO = SqlState.objectNotInPrerequisiteState

function shutdownMode(argument: string): ShutdownMode {
  const mode = argument.toLowerCase()
  if (mode === '') return 'immediate'
  if (mode === 'wait_for_servers' || mode === 'wait_for_clients') return mode
  throw invalidCommand(`SHUTDOWN ${argument}`)
}
