import type { SessionSettings, Settings } from '../backend/session-state.ts'
import { writeParameterStatus } from '../wire/backend-messages.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import type { ClientOutput } from './client/client-output.ts'

/**
 * What the client knows of the reported settings. Changes are told just before ReadyForQuery, as Postgres does; and when a
 * transaction has been rolled back, what it had set is told to be as before.
 */
export class ParameterReports {
  readonly #output: ClientOutput
  readonly #settings: SessionSettings
  /** Shared with other sessions until one of the values changes. */
  #known: ReadonlyMap<string, string>
  readonly #changed = new Map<string, string>()
  #hasChanged = false
  /** The client knows exactly the values that hold outside of transactions. */
  #isSettled = false
  #idleSettings: Settings
  #idleValues: ReadonlyMap<string, string>

  constructor(
    output: ClientOutput,
    settings: SessionSettings,
    initial: ReadonlyMap<string, string>,
  ) {
    this.#output = output
    this.#settings = settings
    this.#known = initial
    this.#idleSettings = settings.effective
    this.#idleValues = initial
    for (const [name, value] of initial) writeParameterStatus(output.frames, { name, value })
  }

  note(name: string, value: string): void {
    this.#changed.set(name, value)
    this.#hasChanged = true
  }

  #isUnchanged(): boolean {
    const isSettled = this.#isSettled && !this.#hasChanged
    return isSettled && this.#settings.effective === this.#idleSettings
  }

  /** tell() would say nothing. */
  isQuiet(status: number): boolean {
    return this.#isUnchanged() || (status !== TransactionStatus.idle && !this.#hasChanged)
  }

  /** Before ReadyForQuery. */
  tell(status: number): void {
    if (this.#isUnchanged()) return
    const isRolledBack =
      status === TransactionStatus.idle && this.#settings.effective === this.#idleSettings
    if (isRolledBack) {
      for (const [name, value] of this.#idleValues) {
        if (!this.#changed.has(name) && this.#known.get(name) !== value) this.note(name, value)
      }
    }
    for (const [name, value] of this.#changed) this.#tell(name, value)
    this.#isSettled = status === TransactionStatus.idle && this.#changed.size === 0
    this.#changed.clear()
    this.#hasChanged = false
    if (status !== TransactionStatus.idle || isRolledBack) return
    this.#idleSettings = this.#settings.effective
    this.#idleValues = this.#known
  }

  #tell(name: string, value: string): void {
    if (this.#known.get(name) === value) return
    this.#known = new Map([...this.#known, [name, value]])
    writeParameterStatus(this.#output.frames, { name, value })
  }
}
