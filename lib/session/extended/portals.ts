import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { HeldResult } from './held-result.ts'
import type { BoundValues } from './portal-forwarding.ts'
import type { PreparedStatement } from './prepared-statements.ts'

/** A bound statement. Lives until it is closed or its transaction ends. */
export type Portal = {
  readonly name: string
  readonly prepared: PreparedStatement
  readonly bound: BoundValues
  /** Where it lives, if on one server connection; `serverName` is its name there. */
  readonly server: { readonly connection: BackendConnection; readonly name: string } | undefined
  /** Rows of a run in the executor that were not fetched yet. */
  held: HeldResult | undefined
  isDone: boolean
}

/** The portals of one session. */
export class Portals {
  readonly #portals = new Map<string, Portal>()

  get(name: string): Portal {
    const portal = this.#portals.get(name)
    if (portal !== undefined) return portal
    throw new RouterError(SqlState.invalidCursorName, `portal "${name}" does not exist`)
  }

  find(name: string): Portal | undefined {
    return this.#portals.get(name)
  }

  /** The unnamed portal is replaced without a word. */
  checkFree(name: string): void {
    if (name === '' || !this.#portals.has(name)) return
    throw new RouterError(SqlState.duplicateCursor, `cursor "${name}" already exists`)
  }

  set(portal: Portal): void {
    this.#portals.set(portal.name, portal)
  }

  delete(name: string): void {
    this.#portals.delete(name)
  }

  clear(): void {
    if (this.#portals.size > 0) this.#portals.clear()
  }
}
