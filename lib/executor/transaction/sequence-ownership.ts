import type { BackendConnection } from '../../backend/backend-connection.ts'

/**
 * Whether currval() and lastval() on a connection would be this session's own values: it was the last to write there, and has
 * written nowhere else since.
 */
export class SequenceOwnership {
  #lastWritten: BackendConnection | undefined = undefined

  noteWritten(connection: BackendConnection): void {
    connection.lastWriter = this
    this.#lastWritten = connection
  }

  holdsOn(connection: BackendConnection): boolean {
    return connection.lastWriter === this && this.#lastWritten === connection
  }
}
