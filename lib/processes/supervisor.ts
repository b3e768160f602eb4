/**
 * gentle: open transactions get their time; fast: hardly any. handed over: clients go when they are idle for a while;
 * when clients left: they go by themselves.
 */
export type StopMode = 'gentle' | 'fast' | 'handed over' | 'when clients left'

/** The proxy as a whole, for whoever is in one of its processes. */
export interface Supervisor {
  /** Returns at once. */
  stop(how: StopMode): void
  /** Reads the configuration again; rejects with what is wrong with it, and then nothing has changed. */
  reload(): Promise<void>
  /** PgBouncer's SET. false: not such a parameter, or not such a value. */
  set(name: string, value: string): Promise<boolean>
}

/** What the command that runs the proxy does on behalf of administrators. */
export type Reconfigure = Pick<Supervisor, 'reload' | 'set'>

/** Hears what administrators ask of the proxy, for the command that runs it. */
export class SupervisorPost implements Supervisor {
  readonly stopAsked: Promise<StopMode>
  readonly #configuration: Reconfigure
  #resolve: (how: StopMode) => void = () => undefined

  constructor(configuration: Reconfigure) {
    this.#configuration = configuration
    this.stopAsked = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  stop(how: StopMode): void {
    this.#resolve(how)
  }

  reload(): Promise<void> {
    return this.#configuration.reload()
  }

  set(name: string, value: string): Promise<boolean> {
    return this.#configuration.set(name, value)
  }
}
