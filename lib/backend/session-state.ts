import { LruMap } from '../base/lru-map.ts'

/**
 * Settings by lower-case name -> the SQL text that stands after `SET name TO`. A name that isn't there has
 * the connection's own default. Immutable and interned: equal settings are mostly the same object.
 */
export type Settings = ReadonlyMap<string, string>

export const NO_SETTINGS: Settings = new Map()

const interned = new LruMap<string, Settings>(1024)

function intern(settings: Map<string, string>): Settings {
  if (settings.size === 0) return NO_SETTINGS
  const key = JSON.stringify([...settings].sort(([a], [b]) => (a < b ? -1 : 1)))
  const known = interned.get(key)
  if (known !== undefined) return known
  interned.set(key, settings)
  return settings
}

function withSetting(settings: Settings, name: string, value: string | undefined): Settings {
  const changed = new Map(settings)
  changed.delete(name)
  if (value !== undefined) changed.set(name, value)
  return intern(changed)
}

/** Who may set the others depends on these: they are given up first and taken last. */
const IDENTITIES: ReadonlySet<string> = new Set(['session_authorization', 'role'])

/** What must not be cut short or refused by what a client, or somebody for it, has set; who the client is stays. */
export function steadySettings(settings: Settings): Settings {
  const identities = [...settings].filter(([name]) => IDENTITIES.has(name))
  const steady = [
    ['statement_timeout', '0'],
    ['default_transaction_read_only', 'off'],
  ] as const
  return intern(new Map([...steady, ...identities]))
}

export type SettingsSnapshot = { readonly session: Settings; readonly effective: Settings }

type Level = SettingsSnapshot & { readonly name: string }

/**
 * What one client has SET, as Postgres would keep it: SET LOCAL ends with the transaction, and ROLLBACK (TO) takes
 * back what was set since. It says what is wanted; which connection holds what is in ConnectionSettings.
 */
export class SessionSettings {
  #session: Settings
  #effective: Settings
  /** Savepoints, the first is BEGIN itself; empty outside a transaction. */
  #levels: Level[] = []

  constructor(initial: Settings = NO_SETTINGS) {
    this.#session = intern(new Map(initial))
    this.#effective = this.#session
  }

  /** What would stay if the transaction committed now. */
  get session(): Settings {
    return this.#session
  }

  /** What holds now, SET LOCAL included. */
  get effective(): Settings {
    return this.#effective
  }

  /** `value`: SQL text after TO; undefined: DEFAULT. A local one outside a transaction has no effect. */
  set(name: string, value: string | undefined, isLocal = false): void {
    if (isLocal && this.#levels.length === 0) return
    const key = name.toLowerCase()
    if (!isLocal) this.#session = withSetting(this.#session, key, value)
    this.#effective = withSetting(this.#effective, key, value)
  }

  /** RESET ALL; SET LOCALs end too, as in Postgres. The identities stay. */
  resetAll(): void {
    const kept = [...this.#session].filter(([name]) => IDENTITIES.has(name))
    this.#session = intern(new Map(kept))
    this.#effective = this.#session
  }

  /** For restore(), when what was set turns out to be refused by the server. */
  snapshot(): SettingsSnapshot {
    return { session: this.#session, effective: this.#effective }
  }

  restore({ session, effective }: SettingsSnapshot): void {
    this.#session = session
    this.#effective = effective
  }

  begin(): void {
    this.#levels = [this.#level('')]
  }

  commit(): void {
    this.#levels = []
    this.#effective = this.#session
  }

  rollback(): void {
    const first = this.#levels[0]
    if (first !== undefined) this.#session = first.session
    this.#levels = []
    this.#effective = this.#session
  }

  savepoint(name: string): void {
    this.#levels.push(this.#level(name))
  }

  release(name: string): void {
    const index = this.#find(name)
    if (index > 0) this.#levels.length = index
  }

  rollbackTo(name: string): void {
    const index = this.#find(name)
    const level = this.#levels[index]
    if (index <= 0 || level === undefined) return
    this.#session = level.session
    this.#effective = level.effective
    this.#levels.length = index + 1
  }

  #level(name: string): Level {
    return { name, session: this.#session, effective: this.#effective }
  }

  #find(name: string): number {
    return this.#levels.findLastIndex((level) => level.name === name)
  }
}

/**
 * What one server connection holds. Inside a transaction only SET LOCAL is ever sent, so a transaction's end
 * brings the connection back to what it held before, whether it committed or not.
 */
export class ConnectionSettings {
  #session: Settings = NO_SETTINGS
  /** In a transaction: what is in force; undefined: not known since a ROLLBACK TO. */
  #local: Settings | undefined = NO_SETTINGS
  /** Names that this transaction has touched. */
  readonly #touched = new Set<string>()

  /** Held outside of transactions. */
  get session(): Settings {
    return this.#session
  }

  /** What statements run by; between a ROLLBACK TO and the next syncText() it is not known. */
  get inForce(): Settings {
    return this.#local ?? this.#session
  }

  /** The statements that bring the connection from what it holds to `wanted`; '' if none are needed. */
  syncText(wanted: Settings, isInTransaction: boolean): string {
    const held = isInTransaction ? this.#local : this.#session
    if (held === wanted) return ''
    const scope = isInTransaction ? 'LOCAL ' : ''
    const isKnown = held !== undefined
    const names = new Set([...(held ?? this.#session).keys(), ...wanted.keys()])
    if (!isKnown) for (const name of this.#touched) names.add(name)
    const resets: string[] = []
    const sets: string[] = []
    for (const name of [...names].sort(identitiesLast)) {
      const value = wanted.get(name)
      if (isKnown && value === held.get(name)) continue
      if (value === undefined) resets.unshift(`SET ${scope}${quoteName(name)} TO DEFAULT`)
      else sets.push(`SET ${scope}${quoteName(name)} TO ${value}`)
    }
    return [...resets, ...sets].join('; ')
  }

  /** The statements of syncText() have succeeded. */
  synced(wanted: Settings, isInTransaction: boolean): void {
    if (isInTransaction) {
      if (this.#local === wanted) return
      for (const name of wanted.keys()) this.#touched.add(name)
      for (const name of this.#local?.keys() ?? []) this.#touched.add(name)
      this.#local = wanted
      return
    }
    this.#session = wanted
    this.#local = wanted
  }

  /** Set on the connection by other means than syncText(). */
  adopted(name: string, value: string, isInTransaction: boolean): void {
    if (isInTransaction) {
      this.#touched.add(name)
      if (this.#local !== undefined) this.#local = withSetting(this.#local, name, value)
      return
    }
    this.#session = withSetting(this.#session, name, value)
    this.#local = this.#session
  }

  /** After a ROLLBACK TO on this connection. */
  savepointRolledBack(): void {
    if (this.#touched.size > 0) this.#local = undefined
  }

  transactionEnded(): void {
    this.#local = this.#session
    if (this.#touched.size > 0) this.#touched.clear()
  }

  /** After DISCARD ALL. */
  discarded(): void {
    this.synced(NO_SETTINGS, false)
    this.#touched.clear()
  }
}

function identitiesLast(a: string, b: string): number {
  return Number(IDENTITIES.has(a)) - Number(IDENTITIES.has(b))
}

/** A setting's name may have a prefix: `pgloom.x`. */
function quoteName(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.')
}
