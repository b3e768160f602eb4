import type { Log } from '../base/log.ts'
import type { Config } from '../config/config.ts'
import { keysForRestart } from '../config/config-changes.ts'
import { loadConfig } from '../config/config-loader.ts'
import { maySet } from '../config/set-parameter.ts'

/** proxy.ts has it. */
export interface Reloadable {
  /** Rejects, and goes on as before, where it can't be used. */
  reload(config: Config): Promise<void>
}

/** Reads the configuration again, at SIGHUP and at RELOAD: all of it holds then, or none. */
export class ConfigReloader {
  readonly #file: string
  readonly #log: Log
  readonly #started: Config
  #proxy: Reloadable | undefined
  #running: Promise<unknown> = Promise.resolve()
  /** What was SET since the file was read. */
  #parameters: ReadonlyMap<string, string> = new Map()

  constructor(file: string, config: Config, log: Log) {
    this.#file = file
    this.#started = config
    this.#log = log
  }

  serve(proxy: Reloadable): void {
    this.#proxy = proxy
  }

  /** One after the other. Rejects with the reason, which is logged, too. */
  reload(): Promise<void> {
    return this.#inTurn(() => this.#reloadNow())
  }

  /**
   * Until the file is read again. false: there is no such parameter, it is read at the start only, or the value
   * isn't one.
   */
  set(name: string, value: string): Promise<boolean> {
    return this.#inTurn(() => this.#setNow(name, value))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#running.catch(() => undefined).then(work)
    this.#running = done
    return done
  }

  async #setNow(name: string, value: string): Promise<boolean> {
    if (!maySet(name, value)) return false
    const parameters = new Map(this.#parameters).set(name, value)
    try {
      await this.#proxy?.reload(loadConfig(this.#file, process.env, parameters).config)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.warn('a parameter was not set', { name, reason })
      return false
    }
    this.#parameters = parameters
    return true
  }

  async #reloadNow(): Promise<void> {
    const log = this.#log.with({ file: this.#file })
    try {
      const { config, warnings } = loadConfig(this.#file)
      for (const warning of warnings) log.warn(warning)
      await this.#proxy?.reload(config)
      this.#parameters = new Map()
      const keys = keysForRestart(this.#started, config)
      log.info('the configuration was reloaded')
      if (keys.length > 0) log.warn('some changed keys take effect after a restart only', { keys })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      log.error('the configuration was not reloaded: all stays as it was', { reason })
      throw error
    }
  }
}
