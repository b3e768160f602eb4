import {
  COUNTER_NAMES,
  type CounterName,
  type CounterValues,
  sumCounters,
  TrafficCounters,
} from '../backend/traffic-counters.ts'
import type { ProxyView } from './proxy-ports.ts'
import type { TrafficReport } from './reports.ts'
import { shownTable } from './shown-table.ts'

const MICROS_PER_SECOND = 1_000_000

/** What an average time is an average of; all others are per second. */
const TIME_PER: Partial<Record<CounterName, CounterName>> = {
  transactionMicros: 'transactions',
  statementMicros: 'statements',
  waitMicros: 'serverAssignments',
}

type Statistics = { readonly total: CounterValues; readonly average: CounterValues }

export const STATS = shownTable({
  columns: {
    database: 'text',
    total_server_assignment_count: 'numeric',
    total_xact_count: 'numeric',
    total_query_count: 'numeric',
    total_received: 'numeric',
    total_sent: 'numeric',
    total_xact_time: 'numeric',
    total_query_time: 'numeric',
    total_wait_time: 'numeric',
    total_client_parse_count: 'numeric',
    total_server_parse_count: 'numeric',
    total_bind_count: 'numeric',
    avg_server_assignment_count: 'numeric',
    avg_xact_count: 'numeric',
    avg_query_count: 'numeric',
    avg_recv: 'numeric',
    avg_sent: 'numeric',
    avg_xact_time: 'numeric',
    avg_query_time: 'numeric',
    avg_wait_time: 'numeric',
    avg_client_parse_count: 'numeric',
    avg_server_parse_count: 'numeric',
    avg_bind_count: 'numeric',
    total_client_login_count: 'numeric',
    avg_client_login_count: 'numeric',
  },
  rows: async (proxy: ProxyView) =>
    byDatabase(await proxy.traffic()).map(({ database, statistics: { total, average } }) => ({
      database,
      total_server_assignment_count: total.serverAssignments,
      total_xact_count: total.transactions,
      total_query_count: total.statements,
      total_received: total.bytesReceived,
      total_sent: total.bytesSent,
      total_xact_time: total.transactionMicros,
      total_query_time: total.statementMicros,
      total_wait_time: total.waitMicros,
      total_client_parse_count: total.clientParses,
      total_server_parse_count: total.serverParses,
      total_bind_count: total.binds,
      avg_server_assignment_count: average.serverAssignments,
      avg_xact_count: average.transactions,
      avg_query_count: average.statements,
      avg_recv: average.bytesReceived,
      avg_sent: average.bytesSent,
      avg_xact_time: average.transactionMicros,
      avg_query_time: average.statementMicros,
      avg_wait_time: average.waitMicros,
      avg_client_parse_count: average.clientParses,
      avg_server_parse_count: average.serverParses,
      avg_bind_count: average.binds,
      total_client_login_count: total.clientLogins,
      avg_client_login_count: average.clientLogins,
    })),
})

export const STATS_TOTALS = shownTable({
  columns: {
    database: 'text',
    server_assignment_count: 'numeric',
    xact_count: 'numeric',
    query_count: 'numeric',
    bytes_received: 'numeric',
    bytes_sent: 'numeric',
    xact_time: 'numeric',
    query_time: 'numeric',
    wait_time: 'numeric',
    client_parse_count: 'numeric',
    server_parse_count: 'numeric',
    bind_count: 'numeric',
    client_login_count: 'numeric',
  },
  rows: async (proxy: ProxyView) =>
    byDatabase(await proxy.traffic()).map(({ database, statistics: { total } }) => ({
      database,
      server_assignment_count: total.serverAssignments,
      xact_count: total.transactions,
      query_count: total.statements,
      bytes_received: total.bytesReceived,
      bytes_sent: total.bytesSent,
      xact_time: total.transactionMicros,
      query_time: total.statementMicros,
      wait_time: total.waitMicros,
      client_parse_count: total.clientParses,
      server_parse_count: total.serverParses,
      bind_count: total.binds,
      client_login_count: total.clientLogins,
    })),
})

/** PgBouncer prefixes only the last ones. */
export const STATS_AVERAGES = shownTable({
  columns: {
    database: 'text',
    server_assignment_count: 'numeric',
    xact_count: 'numeric',
    query_count: 'numeric',
    bytes_received: 'numeric',
    bytes_sent: 'numeric',
    xact_time: 'numeric',
    query_time: 'numeric',
    wait_time: 'numeric',
    avg_client_parse_count: 'numeric',
    avg_server_parse_count: 'numeric',
    avg_bind_count: 'numeric',
    avg_client_login_count: 'numeric',
  },
  rows: async (proxy: ProxyView) =>
    byDatabase(await proxy.traffic()).map(({ database, statistics: { average } }) => ({
      database,
      server_assignment_count: average.serverAssignments,
      xact_count: average.transactions,
      query_count: average.statements,
      bytes_received: average.bytesReceived,
      bytes_sent: average.bytesSent,
      xact_time: average.transactionMicros,
      query_time: average.statementMicros,
      wait_time: average.waitMicros,
      avg_client_parse_count: average.clientParses,
      avg_server_parse_count: average.serverParses,
      avg_bind_count: average.binds,
      avg_client_login_count: average.clientLogins,
    })),
})

/** PgBouncer's own names of its fields. */
const TOTALS_NAMES: Readonly<Record<CounterName, string>> = {
  serverAssignments: 'server_assignment_count',
  transactions: 'xact_count',
  statements: 'query_count',
  bytesReceived: 'client_bytes',
  bytesSent: 'server_bytes',
  transactionMicros: 'xact_time',
  statementMicros: 'query_time',
  waitMicros: 'wait_time',
  clientParses: 'ps_client_parse_count',
  serverParses: 'ps_server_parse_count',
  binds: 'ps_bind_count',
  clientLogins: 'client_login_count',
}

export const TOTALS = shownTable({
  columns: { name: 'text', value: 'numeric' },
  rows: async (proxy: ProxyView) => {
    const { total, average } = statisticsOf(await proxy.traffic())
    return [
      ...COUNTER_NAMES.map((name) => ({
        name: `total_${TOTALS_NAMES[name]}`,
        value: total[name],
      })),
      ...COUNTER_NAMES.map((name) => ({
        name: `avg_${TOTALS_NAMES[name]}`,
        value: average[name],
      })),
    ]
  },
})

function byDatabase(reports: readonly TrafficReport[]) {
  const names = [...new Set(reports.map(({ database }) => database))].sort()
  return names.map((database) => ({
    database,
    statistics: statisticsOf(reports.filter((report) => report.database === database)),
  }))
}

/** Of several users and processes together. Their windows are about the same: the longest counts for all. */
function statisticsOf(reports: readonly TrafficReport[]): Statistics {
  const total = sumCounters(reports.map((report) => report.total))
  const before = sumCounters(reports.map((report) => report.before))
  const windowMicros = Math.max(0, ...reports.map((report) => report.windowMicros))
  return { total, average: averages(total, before, windowMicros) }
}

export function averages(
  total: CounterValues,
  before: CounterValues,
  windowMicros: number,
): CounterValues {
  const result = new TrafficCounters()
  if (windowMicros <= 0) return result
  for (const name of COUNTER_NAMES) {
    const per = TIME_PER[name]
    const gain = total[name] - before[name]
    const count = per === undefined ? windowMicros / MICROS_PER_SECOND : total[per] - before[per]
    result[name] = count === 0 ? 0 : gain / count
  }
  return result
}
