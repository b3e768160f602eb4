import { LruMap } from '../base/lru-map.ts'

/** Each with a text and a key; those that were not counted for longest make room. */
const MAX_STATEMENTS = 5000
/** Databases whose statements are tracked. */
const MAX_DATABASES = 100
/** Tenants are kept as multiples of those that are shown, so that who becomes busy has been counted from the start. */
const KEPT_PER_SHOWN = 3

export type StatementCount = {
  readonly user: string
  /** Without literals. */
  readonly query: string
  readonly executor: 'adaptive' | 'insert-select'
  /** Of the only tenant, if it is known. */
  readonly partitionKey: string | null
  readonly calls: number
}

export type Tenant = {
  readonly nodeId: number
  readonly colocationId: number
  readonly attribute: string
}

/** Of this period and the last one. */
export type TenantCount = Tenant & {
  readonly readsNow: number
  readonly readsBefore: number
  readonly queriesNow: number
  readonly queriesBefore: number
}

type Counted<T> = { -readonly [K in keyof T]: T[K] }

/** What sessions of one database that track their statements have run in this process. */
export class QueryStatistics {
  #statements = new LruMap<string, Counted<StatementCount>>(MAX_STATEMENTS)
  readonly #tenants = new Map<string, Counted<TenantCount> & { period: number }>()
  #periodMs = 0

  statementRun(statement: Omit<StatementCount, 'calls'>, count: number): void {
    const { user, query, executor, partitionKey } = statement
    const key = JSON.stringify([user, executor, partitionKey, query])
    const known = this.#statements.get(key)
    if (known === undefined) this.#statements.set(key, { ...statement, calls: count })
    else known.calls += count
  }

  statements(): readonly StatementCount[] {
    return [...this.#statements.values()]
  }

  resetStatements(): void {
    this.#statements = new LruMap(MAX_STATEMENTS)
  }

  tenantServed(
    tenant: Tenant,
    isRead: boolean,
    { limit, periodMs }: { readonly limit: number; readonly periodMs: number },
    atMs = Date.now(),
  ): void {
    // counts of periods of other lengths can't be compared
    if (periodMs !== this.#periodMs) this.#tenants.clear()
    this.#periodMs = periodMs
    const period = Math.floor(atMs / periodMs)
    const key = `${tenant.colocationId} ${tenant.attribute}`
    let counts = this.#tenants.get(key)
    if (counts === undefined) {
      if (this.#tenants.size >= limit * KEPT_PER_SHOWN) this.#dropQuiet(limit, period)
      counts = { ...tenant, ...NOTHING, period }
      this.#tenants.set(key, counts)
    }
    advance(counts, period)
    counts.nodeId = tenant.nodeId
    counts.queriesNow++
    if (isRead) counts.readsNow++
  }

  /** The busiest first. */
  tenants(atMs = Date.now()): readonly TenantCount[] {
    return this.#ranked(Math.floor(atMs / Math.max(1, this.#periodMs)))
  }

  resetTenants(): void {
    this.#tenants.clear()
  }

  #ranked(period: number): readonly (Counted<TenantCount> & { period: number })[] {
    const all = [...this.#tenants.values()]
    for (const counts of all) advance(counts, period)
    return all.sort((a, b) => queriesOf(b) - queriesOf(a))
  }

  #dropQuiet(limit: number, period: number): void {
    const kept = Math.max(1, limit * (KEPT_PER_SHOWN - 1))
    for (const { colocationId, attribute } of this.#ranked(period).slice(kept)) {
      this.#tenants.delete(`${colocationId} ${attribute}`)
    }
  }
}

/** By database, made when first tracked. */
export class QueryStatisticsTable {
  readonly #databases = new LruMap<string, QueryStatistics>(MAX_DATABASES)

  of(database: string): QueryStatistics {
    const known = this.#databases.get(database)
    if (known !== undefined) return known
    const made = new QueryStatistics()
    this.#databases.set(database, made)
    return made
  }
}

const NOTHING = { readsNow: 0, readsBefore: 0, queriesNow: 0, queriesBefore: 0 }

function advance(counts: Counted<TenantCount> & { period: number }, period: number): void {
  if (counts.period === period) return
  const isNext = counts.period === period - 1
  counts.readsBefore = isNext ? counts.readsNow : 0
  counts.queriesBefore = isNext ? counts.queriesNow : 0
  counts.readsNow = 0
  counts.queriesNow = 0
  counts.period = period
}

export function queriesOf({ queriesNow, queriesBefore }: TenantCount): number {
  return queriesNow + queriesBefore
}
