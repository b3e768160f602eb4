import { QueryStatisticsTable } from './query-statistics.ts'

/** In the order in which PgBouncer shows them. */
export const COUNTER_NAMES = [
  'serverAssignments',
  'transactions',
  'statements',
  'bytesReceived',
  'bytesSent',
  'transactionMicros',
  'statementMicros',
  'waitMicros',
  'clientParses',
  'serverParses',
  'binds',
  'clientLogins',
] as const

export type CounterName = (typeof COUNTER_NAMES)[number]

export type CounterValues = Readonly<Record<CounterName, number>>

/**
 * What the clients of one user in one database have done, since the process started. Shared by their sessions, who
 * add to the fields themselves: a hot statement costs a few additions, no call, no object. Times are in microseconds
 * and may have fractions. Numbers, not bigints: exact up to 2^53.
 */
export class TrafficCounters {
  /** Connections lent to clients, whether at once or after waiting; a statement that shares a lane counts too. */
  serverAssignments = 0
  /** From the first statement to the ReadyForQuery outside a transaction block. */
  transactions = 0
  /** Ended well or with an error. */
  statements = 0
  /** From clients. */
  bytesReceived = 0
  /** To clients. */
  bytesSent = 0
  transactionMicros = 0
  statementMicros = 0
  /** Of clients for a server connection; added when they get it or give up. */
  waitMicros = 0
  /** Named statements made by clients. */
  clientParses = 0
  /** Named statements made by us on servers. */
  serverParses = 0
  /** Bind messages of clients. */
  binds = 0
  clientLogins = 0
  // -- Citus', of citus_stat_counters
  /** Over distributed tables, that ended well. */
  singleShardStatements = 0
  multiShardStatements = 0
}

export type TrafficKey = { readonly database: string; readonly user: string }

/** Under `*` a client may invent names of databases as long as it likes. */
const MAX_ROWS = 10_000
const OTHERS: TrafficKey = { database: '*', user: '*' }

/** The counters of all who have ever logged in; of those who came too late as one. Never shrinks: totals must not go back. */
export class TrafficTable {
  /** What of it is told statement by statement, where that is wanted. */
  readonly queries = new QueryStatisticsTable()
  readonly #rows = new Map<string, TrafficKey & { readonly counters: TrafficCounters }>()

  /** The same object each time: a session asks once and keeps it. */
  of(database: string, user: string): TrafficCounters {
    const key = `${database}\0${user}`
    const known = this.#rows.get(key)
    if (known !== undefined) return known.counters
    const isFull = this.#rows.size >= MAX_ROWS && database !== OTHERS.database
    if (isFull) return this.of(OTHERS.database, OTHERS.user)
    const counters = new TrafficCounters()
    this.#rows.set(key, { database, user, counters })
    return counters
  }

  /** As of(); what came and went before it was known who it is counts too. */
  continued({ database, user }: TrafficKey, before: TrafficCounters): TrafficCounters {
    const counters = this.of(database, user)
    counters.bytesReceived += before.bytesReceived
    counters.bytesSent += before.bytesSent
    return counters
  }

  rows(): (TrafficKey & { readonly counters: TrafficCounters })[] {
    return [...this.#rows.values()]
  }
}

export function sumCounters(rows: readonly CounterValues[]): CounterValues {
  const sum = new TrafficCounters()
  for (const row of rows) for (const name of COUNTER_NAMES) sum[name] += row[name]
  return sum
}
