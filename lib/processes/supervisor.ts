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
}

/** Hears what administrators ask of the proxy, for the command that runs it. */
export class SupervisorPost implements Supervisor {
  readonly stopAsked: Promise<StopMode>
  readonly #reload: () => Promise<void>
  #resolve: (how: StopMode) => void = () => undefined

  constructor(reload: () => Promise<void>) {
    this.#reload = reload
    this.stopAsked = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  stop(how: StopMode): void {
    this.#resolve(how)
  }

  reload(): Promise<void> {
    return this.#reload()
  }
}
