import type { StatementCount, TenantCount } from '../backend/query-statistics.ts'
import type { TrafficTable } from '../backend/traffic-counters.ts'
import type { AcrossProcesses, Json } from '../base/across-processes.ts'

const STATEMENTS_TOPIC = 'stat statements'
const TENANTS_TOPIC = 'stat tenants'
const RESET_TOPIC = 'query statistics reset'
/** Who doesn't answer is left out, and named. */
const TIMEOUT_MS = 2000

type Kind = 'statements' | 'tenants'

/** `silent`: processes that did not answer; what they counted is missing. */
export type Found<T> = { readonly rows: readonly T[]; readonly silent: readonly number[] }

/** What sessions that track their statements have run, of all processes of this proxy. */
export class QueryStatisticsSource {
  readonly #across: AcrossProcesses

  constructor(across: AcrossProcesses, { queries }: Pick<TrafficTable, 'queries'>) {
    this.#across = across
    const json = (rows: readonly unknown[]) => rows as unknown as Json
    across.answer(STATEMENTS_TOPIC, (name) => json(queries.of(String(name)).statements()))
    across.answer(TENANTS_TOPIC, (name) => json(queries.of(String(name)).tenants()))
    across.answer(RESET_TOPIC, (argument) => {
      const { database, kind } = argument as { database: string; kind: Kind }
      if (kind === 'statements') queries.of(database).resetStatements()
      else queries.of(database).resetTenants()
      return null
    })
  }

  async statements(database: string): Promise<Found<StatementCount>> {
    const { rows, silent } = await this.#ask<StatementCount>(STATEMENTS_TOPIC, database)
    const sums = new Map<string, StatementCount>()
    for (const row of rows) {
      const key = JSON.stringify([row.user, row.executor, row.partitionKey, row.query])
      sums.set(key, { ...row, calls: row.calls + (sums.get(key)?.calls ?? 0) })
    }
    return { rows: [...sums.values()], silent }
  }

  /** The busiest first. */
  async tenants(database: string): Promise<Found<TenantCount>> {
    const { rows, silent } = await this.#ask<TenantCount>(TENANTS_TOPIC, database)
    const sums = new Map<string, TenantCount>()
    for (const row of rows) {
      const key = `${row.colocationId} ${row.attribute}`
      const other = sums.get(key)
      sums.set(key, other === undefined ? row : plus(row, other))
    }
    const busy = ({ queriesNow, queriesBefore }: TenantCount) => queriesNow + queriesBefore
    return { rows: [...sums.values()].sort((a, b) => busy(b) - busy(a)), silent }
  }

  async reset(database: string, kind: Kind): Promise<void> {
    await this.#across.ask(RESET_TOPIC, { database, kind })
  }

  async #ask<T>(topic: string, database: string): Promise<Found<T>> {
    const options = { timeoutMs: TIMEOUT_MS }
    const { answers, silent } = await this.#across.ask(topic, database, options)
    return { rows: answers.flatMap(({ answer }) => answer as unknown as T[]), silent }
  }
}

function plus(a: TenantCount, b: TenantCount): TenantCount {
  return {
    ...a,
    readsNow: a.readsNow + b.readsNow,
    readsBefore: a.readsBefore + b.readsBefore,
    queriesNow: a.queriesNow + b.queriesNow,
    queriesBefore: a.queriesBefore + b.queriesBefore,
  }
}
