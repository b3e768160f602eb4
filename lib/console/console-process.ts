import type { TrafficTable } from '../backend/traffic-counters.ts'
import type { AcrossProcesses, Json } from '../base/across-processes.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { DatabaseGates } from './database-gates.ts'
import { type CommandTargets, ProcessCommands } from './process-commands.ts'
import { ProcessReports } from './process-reports.ts'
import type { GateReport } from './reports.ts'
import { TrafficWindows, type TrafficWindowsOptions } from './traffic-windows.ts'

/** What a process is asked for, and what it is told to do. */
export const REPORT_TOPIC = 'console report'
export const COMMAND_TOPIC = 'console command'

export type Section = 'traffic' | 'clients' | 'servers' | 'logins' | 'prepared' | 'memory' | 'gates'

export type ProcessCommand = {
  readonly name:
    | 'pause'
    | 'resume'
    | 'disable'
    | 'enable'
    | 'kill'
    | 'kill client'
    | 'reconnect'
    | 'wait close'
    | 'stop waiting'
    | 'suspend'
  /** null: all. */
  readonly database: string | null
  /** As shown to administrators; of `kill client`. */
  readonly id: number | null
}

export type ConsoleProcessOptions = CommandTargets & {
  readonly across: AcrossProcesses
  /** There are no other processes, and there will be none. */
  readonly isAlone: boolean
  readonly traffic: TrafficTable
  readonly windows: TrafficWindowsOptions
  readonly gates: DatabaseGates
}

/** Each process' part of the console: answers whichever process has the administrator as its client. */
export class ConsoleProcess {
  readonly #options: ConsoleProcessOptions
  readonly #reports: ProcessReports
  readonly #commands: ProcessCommands
  readonly #windows: TrafficWindows
  /** Grows when those who wait are to stop. */
  #waitRound = 0

  constructor(options: ConsoleProcessOptions) {
    this.#options = options
    const { across, isAlone, pools, listener, traffic, windows } = options
    const identity = { processNumber: across.processNumber, isAlone }
    const sessions = () => listener()?.sessions() ?? []
    this.#reports = new ProcessReports(identity, { pools, sessions })
    this.#commands = new ProcessCommands(options)
    this.#windows = new TrafficWindows(traffic, windows)
    across.answer(REPORT_TOPIC, (section) => this.#report(section as Section) as Json)
    across.answer(COMMAND_TOPIC, (command) => this.#run(command as ProcessCommand))
  }

  stop(): void {
    this.#windows.stop()
  }

  /** A process that replaces a dead one closes what the others have closed. */
  async adopt(): Promise<void> {
    const { across, gates, pools } = this.#options
    const { answers } = await across.ask(REPORT_TOPIC, 'gates', { timeoutMs: 1000 })
    for (const { answer } of answers) {
      const { mode, paused, disabled } = answer as GateReport
      if (mode !== 'active') {
        gates.mode = mode
        pools.pause(undefined)
      }
      for (const database of paused) {
        gates.setPaused(database, true)
        pools.pause(database)
      }
      for (const database of disabled) gates.setDisabled(database, true)
    }
  }

  #report(section: Section): unknown {
    switch (section) {
      case 'traffic':
        return this.#windows.report()
      case 'clients':
        return this.#reports.clients()
      case 'servers':
        return this.#reports.servers()
      case 'logins':
        return this.#reports.logins()
      case 'prepared':
        return this.#reports.prepared()
      case 'memory':
        return this.#reports.memory()
      case 'gates':
        return this.#options.gates.report()
    }
  }

  async #run({ name, database: named, id }: ProcessCommand): Promise<Json> {
    const commands = this.#commands
    const database = named ?? undefined
    switch (name) {
      case 'pause':
        await commands.pause(database)
        return null
      case 'resume':
        commands.resume(database)
        return null
      case 'disable':
      case 'enable':
        commands.setDisabled(named ?? '', name === 'disable')
        return null
      case 'kill':
        commands.kill(database)
        return null
      case 'kill client':
        return this.#killClient(id ?? 0)
      case 'reconnect':
        commands.reconnect(database)
        return null
      case 'wait close': {
        const round = this.#waitRound
        await commands.waitClose(database, () => round !== this.#waitRound)
        return null
      }
      case 'stop waiting':
        this.#waitRound++
        return null
      case 'suspend':
        await commands.suspend()
        return null
      default:
        throw new RouterError(SqlState.internalError, 'no such command')
    }
  }

  #killClient(shownId: number): boolean {
    const id = this.#reports.ownId(shownId)
    return id !== undefined && this.#commands.killClient(id)
  }
}
