import type { BackendConnection } from './backend-connection.ts'
import type { Settings } from './session-state.ts'

export type Idle = { readonly connection: BackendConnection; readonly sinceMs: number }

/** How many of them are looked at for one that holds the wanted settings already. */
const SETTINGS_SEARCH_DEPTH = 8

/** A pool's idle connections, the last used at the end. */
export class IdleConnections {
  readonly #idle: Idle[] = []

  get length(): number {
    return this.#idle.length
  }

  get oldest(): Idle | undefined {
    return this.#idle[0]
  }

  /** A copy: closing what is in it changes the list. */
  list(): readonly Idle[] {
    return [...this.#idle]
  }

  push(idle: Idle): void {
    this.#idle.push(idle)
  }

  /** The one to lend next, preferably one that holds `settings`. */
  best(settings: Settings | undefined, isRoundRobin: boolean): Idle | undefined {
    if (isRoundRobin) return this.#idle[0]
    const last = this.#idle.length - 1
    if (settings === undefined) return this.#idle[last]
    const lowest = Math.max(0, this.#idle.length - SETTINGS_SEARCH_DEPTH)
    for (let index = last; index >= lowest; index--) {
      const idle = this.#idle[index]
      if (idle?.connection.settings.session === settings) return idle
    }
    return this.#idle[last]
  }

  remove(idle: Idle): void {
    const last = this.#idle.length - 1
    if (this.#idle[last] === idle) this.#idle.pop()
    else this.#removeAt(this.#idle.indexOf(idle))
  }

  /** If it is one of them. */
  forget(connection: BackendConnection): void {
    this.#removeAt(this.#idle.findIndex((one) => one.connection === connection))
  }

  #removeAt(index: number): void {
    if (index >= 0) this.#idle.splice(index, 1)
  }
}
