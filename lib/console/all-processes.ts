import type { AcrossProcesses } from '../base/across-processes.ts'
import {
  COMMAND_TOPIC,
  type ProcessCommand,
  REPORT_TOPIC,
  type Section,
} from './console-process.ts'
import type { ProxyControl, ProxyView, ShutdownMode } from './proxy-ports.ts'
import type {
  ClientReport,
  DatabaseReport,
  GateReport,
  LoginReport,
  MemoryReport,
  PreparedReport,
  ServerReport,
  SettingReport,
  TrafficReport,
  UserReport,
} from './reports.ts'

/** Whoever doesn't answer is left out of what is shown, and named. */
const REPORT_TIMEOUT_MS = 2000

/** What the configuration says, as it is now. */
export interface ConsoleSettings {
  readonly poolMode: string
  databases(): readonly DatabaseReport[]
  users(): readonly UserReport[]
  settings(): readonly SettingReport[]
}

export type ProxyOverviewOptions = {
  readonly across: AcrossProcesses
  readonly settings: ConsoleSettings
  readonly version: string
}

/** All processes' reports together. */
export class ProxyOverview implements ProxyView {
  readonly version: string
  readonly silent = new Set<number>()
  readonly #options: ProxyOverviewOptions
  readonly #across: AcrossProcesses
  readonly #settings: ConsoleSettings

  constructor(options: ProxyOverviewOptions) {
    const { across, settings, version } = options
    this.#options = options
    this.#across = across
    this.#settings = settings
    this.version = version
  }

  forCommand(): ProxyOverview {
    return new ProxyOverview(this.#options)
  }

  get poolMode(): string {
    return this.#settings.poolMode
  }

  traffic(): Promise<TrafficReport[]> {
    return this.#all<TrafficReport>('traffic')
  }

  clients(): Promise<ClientReport[]> {
    return this.#all<ClientReport>('clients')
  }

  servers(): Promise<ServerReport[]> {
    return this.#all<ServerReport>('servers')
  }

  logins(): Promise<LoginReport[]> {
    return this.#all<LoginReport>('logins')
  }

  prepared(): Promise<PreparedReport[]> {
    return this.#all<PreparedReport>('prepared')
  }

  async memory(): Promise<MemoryReport[]> {
    const sums = new Map<string, MemoryReport>()
    for (const { name, size, used, free } of await this.#all<MemoryReport>('memory')) {
      const sum = sums.get(name) ?? { name, size, used: 0, free: 0 }
      sums.set(name, { name, size, used: sum.used + used, free: sum.free + free })
    }
    return [...sums.values()]
  }

  /** They are the same in all processes. */
  async gates(): Promise<GateReport> {
    const [first] = await this.#ask('gates')
    return (first as GateReport | undefined) ?? { mode: 'active', paused: [], disabled: [] }
  }

  databases(): readonly DatabaseReport[] {
    return this.#settings.databases()
  }

  users(): readonly UserReport[] {
    return this.#settings.users()
  }

  settings(): readonly SettingReport[] {
    return this.#settings.settings()
  }

  async #all<T>(section: Section): Promise<T[]> {
    return (await this.#ask(section)).flatMap((answer) => answer as T[])
  }

  async #ask(section: Section): Promise<unknown[]> {
    const options = { timeoutMs: REPORT_TIMEOUT_MS }
    const { answers, silent } = await this.#across.ask(REPORT_TOPIC, section, options)
    for (const processNumber of silent) this.silent.add(processNumber)
    return answers.map(({ answer }) => answer)
  }
}

/** What only the process that was started can do: proxy.ts and main.ts. */
export interface ProxyManager {
  /** Throws where the new configuration is not in force. */
  reload(): Promise<void>
  set(key: string, value: string): Promise<boolean>
  /** Returns at once. */
  stop(mode: ShutdownMode): void
}

/** Tells all processes what to do. */
export class ProxyCommander implements ProxyControl {
  readonly #across: AcrossProcesses
  readonly #manager: ProxyManager

  constructor(across: AcrossProcesses, manager: ProxyManager) {
    this.#across = across
    this.#manager = manager
  }

  reload(): Promise<void> {
    return this.#manager.reload()
  }

  set(key: string, value: string): Promise<boolean> {
    return this.#manager.set(key, value)
  }

  /** Waits for servers as PAUSE does. */
  async shutdown(mode: ShutdownMode): Promise<void> {
    if (mode !== 'wait_for_servers') {
      this.#manager.stop(mode)
      return
    }
    void this.#tell('pause', undefined).then(() => this.#manager.stop(mode))
  }

  /** Whoever interrupts it ends the pause, as in PgBouncer. */
  async pause(database: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#unlessAborted('pause', database, signal, 'resume')
  }

  async resume(database: string | undefined): Promise<void> {
    await this.#tell('resume', database)
  }

  async setDisabled(database: string, isDisabled: boolean): Promise<void> {
    await this.#tell(isDisabled ? 'disable' : 'enable', database)
  }

  async kill(database: string | undefined): Promise<void> {
    await this.#tell('kill', database)
  }

  async killClient(id: number): Promise<boolean> {
    const answers = await this.#tell('kill client', undefined, id)
    return answers.includes(true)
  }

  async reconnect(database: string | undefined): Promise<void> {
    await this.#tell('reconnect', database)
  }

  async waitClose(database: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#unlessAborted('wait close', database, signal, 'stop waiting')
  }

  async suspend(signal: AbortSignal): Promise<void> {
    await this.#unlessAborted('suspend', undefined, signal, 'resume')
  }

  async #unlessAborted(
    name: ProcessCommand['name'],
    database: string | undefined,
    signal: AbortSignal,
    undo: ProcessCommand['name'],
  ): Promise<void> {
    const onAbort = () => void this.#tell(undo, database)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#tell(name, database)
      signal.throwIfAborted()
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #tell(
    name: ProcessCommand['name'],
    database: string | undefined,
    id: number | null = null,
  ): Promise<unknown[]> {
    const command = { name, database: database ?? null, id }
    const { answers } = await this.#across.ask(COMMAND_TOPIC, command)
    return answers.map(({ answer }) => answer)
  }
}
