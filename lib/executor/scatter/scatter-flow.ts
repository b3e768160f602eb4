import type { BackendConnection } from '../../backend/backend-connection.ts'

/** The connections of a running scatter; whoever takes the rows may hold all of them back. */
export class ScatterFlow {
  /** Whoever takes the rows has enough. Not told where the rest does no harm. */
  onFull: (() => void) | undefined
  readonly #connections: BackendConnection[] = []
  #isPaused = false

  get connections(): readonly BackendConnection[] {
    return this.#connections
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  add(connection: BackendConnection): void {
    this.#connections.push(connection)
    if (this.#isPaused) connection.pause()
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    for (const connection of this.#connections) connection.pause()
  }

  readonly resume = (): void => {
    if (!this.#isPaused) return
    this.#isPaused = false
    for (const connection of this.#connections) connection.resume()
  }
}
