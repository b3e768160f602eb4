import {
  CONFIG,
  DNS_HOSTS,
  DNS_ZONES,
  LISTS,
  MEM,
  PEER_POOLS,
  PEERS,
  PINS,
  PREPARED,
  STATE,
  VERSION,
} from './inner-tables.ts'
import { DATABASES, POOLS, USERS } from './pool-tables.ts'
import type { ProxyView } from './proxy-ports.ts'
import type { ShownTable } from './shown-table.ts'
import { ACTIVE_SOCKETS, CLIENTS, SERVERS, SOCKETS } from './socket-tables.ts'
import { STATS, STATS_AVERAGES, STATS_TOTALS, TOTALS } from './stats-tables.ts'

/** What SHOW shows, by the word after it. HELP is a notice, FDS is refused: neither is here. */
export const SHOWN_TABLES: ReadonlyMap<string, ShownTable<ProxyView>> = new Map([
  ['clients', CLIENTS],
  ['config', CONFIG],
  ['databases', DATABASES],
  ['lists', LISTS],
  ['peers', PEERS],
  ['peer_pools', PEER_POOLS],
  ['pools', POOLS],
  ['servers', SERVERS],
  ['sockets', SOCKETS],
  ['active_sockets', ACTIVE_SOCKETS],
  ['stats', STATS],
  ['stats_totals', STATS_TOTALS],
  ['stats_averages', STATS_AVERAGES],
  ['users', USERS],
  ['version', VERSION],
  ['totals', TOTALS],
  ['mem', MEM],
  ['dns_hosts', DNS_HOSTS],
  ['dns_zones', DNS_ZONES],
  ['state', STATE],
  ['pins', PINS],
  ['prepared', PREPARED],
  ['prepared_statements', PREPARED],
])

/** For drivers that ask for, and set, what Postgres would tell them: nothing of it matters here. */
const DRIVER_SETTINGS: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF-8'],
  ['default_transaction_isolation', 'read committed'],
  ['standard_conforming_strings', 'on'],
  ['datestyle', 'ISO'],
  ['timezone', 'GMT'],
])

/** Not known to PgBouncer; drivers set them on each connection. */
const SETTINGS_OF_NO_EFFECT: ReadonlySet<string> = new Set([
  'application_name',
  'bytea_output',
  'client_min_messages',
  'extra_float_digits',
  'intervalstyle',
  'search_path',
  'statement_timeout',
])

export function isDriverSetting(key: string): boolean {
  return DRIVER_SETTINGS.has(key) || SETTINGS_OF_NO_EFFECT.has(key)
}

/** undefined: there is nothing of that name to show. */
export function tableOf(what: string): ShownTable<ProxyView> | undefined {
  const value = DRIVER_SETTINGS.get(what)
  if (value === undefined) return SHOWN_TABLES.get(what)
  return { columns: { [what]: 'text' }, rows: () => [{ [what]: value }] }
}

export const HELP = `
\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION
\tSHOW PEERS|PEER_POOLS
\tSHOW SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE
\tSHOW DNS_HOSTS|DNS_ZONES
\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS
\tSHOW PINS|PREPARED
\tSET key = arg
\tRELOAD
\tPAUSE [<db>]
\tRESUME [<db>]
\tDISABLE <db>
\tENABLE <db>
\tRECONNECT [<db>]
\tKILL [<db>]
\tKILL_CLIENT <client_id>
\tSUSPEND
\tSHUTDOWN
\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS
\tWAIT_CLOSE [<db>]`
