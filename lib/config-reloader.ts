import type { Log } from './base/log.ts'
import type { Config } from './config/config.ts'
import { keysForRestart } from './config/config-changes.ts'
import { loadConfig } from './config/config-loader.ts'

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
  #running: Promise<void> = Promise.resolve()

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
    this.#running = this.#running.catch(() => undefined).then(() => this.#reloadNow())
    return this.#running
  }

  async #reloadNow(): Promise<void> {
    const log = this.#log.with({ file: this.#file })
    try {
      const { config, warnings } = loadConfig(this.#file)
      for (const warning of warnings) log.warn(warning)
      await this.#proxy?.reload(config)
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
