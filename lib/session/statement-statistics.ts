import type { QueryStatisticsTable } from '../backend/query-statistics.ts'
import type { SessionSettings, Settings } from '../backend/session-state.ts'
import { clusterSettingDefault } from '../catalog/cluster-settings.ts'
import { type OneKey, onlyKey } from '../executor/only-key.ts'
import type { QueryTier } from '../executor/ports.ts'
import type { KeyReader } from '../executor/route.ts'
import type { RoutedStatement } from '../planner/plan.ts'
import { normalizedText } from '../sql/normalized-text.ts'
import type { StatementConduct } from './fast/statement-conduct.ts'
import type { Target } from './statement-runner.ts'

/** A statement that is under way, and will be counted if it ends well. */
type Noted = {
  readonly query: string
  readonly nodeId: number
  readonly key: OneKey | undefined
  readonly isRead: boolean
}

/** Whose statements they are. */
type Tracked = {
  readonly settings: SessionSettings
  readonly database: string
  readonly user: string
}

/**
 * citus_stat_statements and citus_stat_tenants of one session: notes each statement that it begins while the session tracks them.
 * Those who don't pay one comparison a statement.
 */
export class StatementStatistics {
  readonly #settings: SessionSettings
  readonly #table: QueryStatisticsTable
  readonly #database: string
  readonly #user: string
  /** Those that the fields below were read from. */
  #seen: Settings | undefined
  #isOn = false
  #tracksStatements = false
  #tracksTenants = false
  #noted: Noted | undefined

  constructor(table: QueryStatisticsTable, { settings, database, user }: Tracked) {
    this.#settings = settings
    this.#table = table
    this.#database = database
    this.#user = user
  }

  get isOn(): boolean {
    const { effective } = this.#settings
    if (effective !== this.#seen) this.#look(effective)
    return this.#isOn
  }

  /** A statement of a known shape, with no more of its text than keys; false: the shape's text isn't known yet. */
  beginsKnown({ routed, shownText }: StatementConduct, target: Target, keys: KeyReader): boolean {
    if (routed === undefined) return true
    if (shownText === undefined) return false
    this.#note(shownText, routed, target, keys)
    return true
  }

  /** To one shard. */
  beginsRouted(
    conduct: StatementConduct,
    text: Buffer,
    target: Target,
    keys: () => KeyReader,
  ): void {
    if (!this.isOn || conduct.routed === undefined) return
    conduct.shownText ??= normalizedText(text)
    this.#note(conduct.shownText, conduct.routed, target, keys())
  }

  /** To several shards, or nobody knows where to. */
  begins(text: Buffer): void {
    if (!this.isOn) return
    this.#noted = { query: normalizedText(text), nodeId: 0, key: undefined, isRead: false }
  }

  ended(tier: QueryTier, count: number): void {
    const noted = this.#noted
    if (noted === undefined) return
    this.#noted = undefined
    if (tier === 'local' || tier === 'command') return
    const { query, key, nodeId, isRead } = noted
    const counts = this.#table.of(this.#database)
    if (this.#tracksStatements) {
      const executor =
        tier === 'router' || !INSERT_SELECT.test(query) ? 'adaptive' : 'insert-select'
      const partitionKey = key?.text ?? null
      counts.statementRun({ user: this.#user, query, executor, partitionKey }, count)
    }
    if (!this.#tracksTenants || key === undefined) return
    const { colocationId, text: attribute } = key
    const limit = this.#number('citus.stat_tenants_limit')
    const periodMs = this.#number('citus.stat_tenants_period') * 1000
    counts.tenantServed({ nodeId, colocationId, attribute }, isRead, { limit, periodMs })
  }

  failed(): void {
    this.#noted = undefined
  }

  #note(query: string, routed: RoutedStatement, { nodeId }: Target, keys: KeyReader): void {
    const key = onlyKey(routed.pins, keys)
    this.#noted = { query, nodeId, key, isRead: routed.isReadOnly }
  }

  #look(effective: Settings): void {
    this.#seen = effective
    this.#tracksStatements = this.#value('citus.stat_statements_track') === 'all'
    this.#tracksTenants = this.#value('citus.stat_tenants_track') === 'all'
    this.#isOn = this.#tracksStatements || this.#tracksTenants
  }

  /** Canonical, and without quotes of its own. */
  #value(name: string): string {
    const literal = this.#settings.effective.get(name) ?? clusterSettingDefault(name) ?? ''
    return literal.replaceAll("'", '').trim()
  }

  #number(name: string): number {
    return Number(this.#value(name))
  }
}

const INSERT_SELECT = /^(?:with\b.*)?\binsert\b.*\bselect\b/is
