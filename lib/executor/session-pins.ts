import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { PinReason } from '../planner/plan.ts'

export type Pin = { readonly nodeId: number; readonly reason: PinReason; readonly since: Date }

/** The connections that one session keeps between its transactions, at most one a node, and why. */
export class SessionPins {
  readonly #connections = new Map<number, BackendConnection>()
  #pins: readonly Pin[] = []

  get list(): readonly Pin[] {
    return this.#pins
  }

  get connections(): readonly BackendConnection[] {
    return [...this.#connections.values()]
  }

  keeps(connection: BackendConnection): boolean {
    return this.#connections.get(connection.node.nodeId) === connection
  }

  /** undefined: none is kept. Throws, FATAL, when it was lost: the session's state is gone with it. */
  living(nodeId: number): BackendConnection | undefined {
    const kept = this.#connections.get(nodeId)
    if (kept === undefined || kept.state === 'ready') return kept
    throw new RouterError(
      SqlState.connectionFailure,
      "the server connection that held this session's state was lost",
      {
        severity: 'FATAL',
        hint: 'Connect again; temporary tables, advisory locks and held cursors are gone.',
      },
    )
  }

  add(connection: BackendConnection, reason: PinReason): void {
    const { nodeId } = connection.node
    this.#connections.set(nodeId, connection)
    if (this.#pins.some((pin) => pin.nodeId === nodeId && pin.reason === reason)) return
    this.#pins = [...this.#pins, { nodeId, reason, since: new Date() }]
  }

  /** Nothing is kept any more; returns what was. */
  clear(): readonly BackendConnection[] {
    const { connections } = this
    this.#connections.clear()
    this.#pins = []
    return connections
  }
}
