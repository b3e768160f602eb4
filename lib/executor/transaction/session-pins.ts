import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { PinReason } from '../../planner/plan.ts'
import { type HeldState, heldState } from './held-state.ts'

export type Pin = { readonly nodeId: number; readonly reason: PinReason; readonly since: Date }

export type SessionPinsOptions = {
  /** Nothing keeps it any more. */
  readonly released: (connection: BackendConnection) => void
  /** Temporary relations as the connection's server sees them now. */
  readonly temporaryNames: (connection: BackendConnection, names: readonly string[]) => void
  /** What was set on the connection, in the transaction at hand or for good. */
  readonly settings: (
    connection: BackendConnection,
    settings: ReadonlyMap<string, string>,
    isInTransaction: boolean,
  ) => void
  /** Asking has failed the transaction on that node. */
  readonly failedInside: (error: RouterError) => void
  readonly log: Log
}

/** No server can tell whether they still hold: they stay until DISCARD ALL. */
const UNPROVABLE: ReadonlySet<PinReason> = new Set(['session setting', 'random seed'])

type Kept = {
  readonly connection: BackendConnection
  /** Something has run on it since the server was last asked what it holds. inside: asked in the transaction at hand. */
  suspicion: 'none' | 'inside' | 'suspect'
  /** Since it was last asked outside a transaction. */
  readonly settings: Set<string>
  hasRunCode: boolean
}

/**
 * The connections that one session keeps between its transactions, at most one a node, and why. What was run only makes a
 * connection suspect; what its server session really holds the server itself is asked, once the statement or the
 * transaction is over. A connection that holds nothing is released.
 */
export class SessionPins {
  readonly #options: SessionPinsOptions
  readonly #kept = new Map<number, Kept>()
  #pins: readonly Pin[] = []
  #hasPins = false
  #asking: Promise<void> | undefined

  constructor(options: SessionPinsOptions) {
    this.#options = options
  }

  get list(): readonly Pin[] {
    return this.#pins
  }

  get hasPins(): boolean {
    return this.#hasPins
  }

  keeps(connection: BackendConnection): boolean {
    return this.#kept.get(connection.node.nodeId)?.connection === connection
  }

  /** undefined: none is kept. Throws, FATAL, when it was lost: the session's state is gone with it. */
  living(nodeId: number): BackendConnection | undefined {
    const kept = this.#kept.get(nodeId)?.connection
    if (kept === undefined || kept.state === 'ready') return kept
    if (!this.#pins.some((pin) => pin.nodeId === nodeId)) {
      this.#forget(kept)
      return undefined
    }
    throw new RouterError(
      SqlState.connectionFailure,
      "the server connection that held this session's state was lost",
      {
        severity: 'FATAL',
        hint: 'Connect again; temporary tables, advisory locks and held cursors are gone.',
      },
    )
  }

  /** Code of the user's runs on it: it may hold anything or nothing. */
  addCode(connection: BackendConnection): void {
    this.#keep(connection).hasRunCode = true
  }

  /** These settings are being set on it. */
  addSettings(connection: BackendConnection, names: readonly string[]): void {
    const { settings } = this.#keep(connection)
    for (const name of names) settings.add(name)
  }

  #keep(connection: BackendConnection): Kept {
    const { nodeId } = connection.node
    const known = this.#kept.get(nodeId)
    const kept: Kept =
      known?.connection === connection
        ? known
        : { connection, suspicion: 'suspect', settings: new Set(), hasRunCode: false }
    kept.suspicion = 'suspect'
    this.#kept.set(nodeId, kept)
    return kept
  }

  add(connection: BackendConnection, reason: PinReason): void {
    const { nodeId } = connection.node
    this.#keep(connection)
    if (this.#pins.some((pin) => pin.nodeId === nodeId && pin.reason === reason)) return
    this.#setPins([...this.#pins, { nodeId, reason, since: new Date() }])
  }

  /** Something may have given up what a pin is for. */
  suspectAll(): void {
    for (const kept of this.#kept.values()) kept.suspicion = 'suspect'
  }

  /** Nothing is kept any more; returns what was. */
  clear(): readonly BackendConnection[] {
    const connections = [...this.#kept.values()].map(({ connection }) => connection)
    this.#kept.clear()
    this.#setPins([])
    return connections
  }

  /** No answer is awaited. */
  get isProven(): boolean {
    return this.#asking === undefined
  }

  /** All that was asked is answered. */
  async proven(): Promise<void> {
    while (this.#asking !== undefined) await this.#asking
  }

  /** Asks those that are suspect. In a transaction the answer only tells of temporary names and of settings. */
  prove(isInTransaction: boolean): void {
    for (const kept of this.#kept.values()) {
      if (kept.connection.state !== 'ready') continue
      const isDue =
        kept.suspicion === 'suspect' || (kept.suspicion === 'inside' && !isInTransaction)
      if (!isDue) continue
      kept.suspicion = isInTransaction ? 'inside' : 'none'
      const asking: Promise<void> = Promise.all([
        this.#asking,
        this.#ask(kept, isInTransaction),
      ]).then(() => {
        if (this.#asking === asking) this.#asking = undefined
      })
      this.#asking = asking
    }
  }

  async #ask(kept: Kept, isInTransaction: boolean): Promise<void> {
    const { connection } = kept
    try {
      const { hasRunCode } = kept
      const mayHaveSet = this.#pins.some(
        ({ nodeId, reason }) => nodeId === connection.node.nodeId && reason === 'session setting',
      )
      const heldSettings = connection.settings.inForce.keys()
      const question = { settings: new Set(kept.settings), hasRunCode, mayHaveSet, heldSettings }
      if (!isInTransaction) {
        kept.settings.clear()
        kept.hasRunCode = false
      }
      const held = await heldState(connection, question)
      this.#options.temporaryNames(connection, held.temporaryNames)
      this.#options.settings(connection, held.settings, isInTransaction)
      if (!isInTransaction) this.#conclude(kept, held)
    } catch (error) {
      kept.suspicion = 'suspect'
      if (isInTransaction && error instanceof RouterError) this.#options.failedInside(error)
      this.#options.log.debug('a server session did not tell what it holds', { error })
    }
  }

  #conclude(kept: Kept, { reasons }: HeldState): void {
    const { connection } = kept
    const { nodeId } = connection.node
    if (kept.suspicion !== 'none' || this.#kept.get(nodeId) !== kept) return
    const before = this.#pins.filter((pin) => pin.nodeId === nodeId)
    const stays = before.filter(({ reason }) => UNPROVABLE.has(reason) || reasons.includes(reason))
    const since = new Date()
    const found = reasons
      .filter((reason) => !before.some((pin) => pin.reason === reason))
      .map((reason) => ({ nodeId, reason, since }))
    const now = [...stays, ...found]
    this.#setPins([...this.#pins.filter((pin) => pin.nodeId !== nodeId), ...now])
    if (now.length > 0) return
    this.#forget(connection)
    this.#options.released(connection)
  }

  #setPins(pins: readonly Pin[]): void {
    this.#pins = pins
    this.#hasPins = pins.length > 0
  }

  #forget(connection: BackendConnection): void {
    this.#kept.delete(connection.node.nodeId)
  }
}
