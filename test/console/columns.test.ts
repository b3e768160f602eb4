import t from 'tap'
import { SHOWN_TABLES } from '../../lib/console/show-commands.ts'

const SOCKET =
  'type s, user s, database s, replication s, state s, addr s, port i, local_addr s, local_port i, connect_time s, ' +
  'request_time s, wait i, wait_us i, close_needed i, ptr s, link s, remote_pid i, tls s, application_name s, ' +
  'prepared_statements i, id i'
const BUFFERS =
  ', recv_pos i, pkt_pos i, pkt_remain i, send_pos i, send_remain i, pkt_avail i, send_avail i'

/** What PgBouncer 1.25.2 sends, in its order: s text, i int4, q int8, N numeric. */
const PGBOUNCER: Readonly<Record<string, string>> = {
  active_sockets: SOCKET + BUFFERS,
  clients: SOCKET,
  config: 'key s, value s, default s, changeable s',
  databases:
    'name s, host s, port i, database s, force_user s, pool_size i, min_pool_size i, reserve_pool_size i, ' +
    'server_lifetime i, pool_mode s, load_balance_hosts s, max_connections i, current_connections i, ' +
    'max_client_connections i, current_client_connections i, paused i, disabled i',
  dns_hosts: 'hostname s, ttl q, addrs s',
  dns_zones: 'zonename s, serial q, count i',
  lists: 'list s, items i',
  mem: 'name s, size i, used i, free i, memtotal i',
  peer_pools:
    'peer_id i, cl_active_cancel_req i, cl_waiting_cancel_req i, sv_active_cancel i, sv_login i',
  peers: 'peer_id i, host s, port i, pool_size i',
  pools:
    'database s, user s, cl_active i, cl_waiting i, cl_active_cancel_req i, cl_waiting_cancel_req i, sv_active i, ' +
    'sv_active_cancel i, sv_being_canceled i, sv_idle i, sv_used i, sv_tested i, sv_login i, maxwait i, maxwait_us i, ' +
    'pool_mode s, load_balance_hosts s',
  servers: SOCKET,
  sockets: SOCKET + BUFFERS,
  state: 'key s, value s',
  stats:
    'database s, total_server_assignment_count N, total_xact_count N, total_query_count N, total_received N, ' +
    'total_sent N, total_xact_time N, total_query_time N, total_wait_time N, total_client_parse_count N, ' +
    'total_server_parse_count N, total_bind_count N, avg_server_assignment_count N, avg_xact_count N, avg_query_count N, ' +
    'avg_recv N, avg_sent N, avg_xact_time N, avg_query_time N, avg_wait_time N, avg_client_parse_count N, ' +
    'avg_server_parse_count N, avg_bind_count N',
  stats_averages:
    'database s, server_assignment_count N, xact_count N, query_count N, bytes_received N, bytes_sent N, xact_time N, ' +
    'query_time N, wait_time N, avg_client_parse_count N, avg_server_parse_count N, avg_bind_count N',
  stats_totals:
    'database s, server_assignment_count N, xact_count N, query_count N, bytes_received N, bytes_sent N, xact_time N, ' +
    'query_time N, wait_time N, client_parse_count N, server_parse_count N, bind_count N',
  totals: 'name s, value N',
  users:
    'name s, pool_size s, reserve_pool_size s, pool_mode s, max_user_connections i, current_connections i, ' +
    'max_user_client_connections i, current_client_connections i',
  version: 'version s',
}

const LETTERS = { text: 's', int4: 'i', int8: 'q', numeric: 'N' }

function columnsOf(what: string): string[] {
  const columns = SHOWN_TABLES.get(what)?.columns ?? {}
  return Object.entries(columns).map(([name, type]) => `${name} ${LETTERS[type]}`)
}

t.test("tables begin with PgBouncer's columns: names, order and types", async (t) => {
  for (const [what, columns] of Object.entries(PGBOUNCER)) {
    const wanted = columns.split(', ')
    t.same(columnsOf(what).slice(0, wanted.length), wanted, what)
  }
})

t.test('all that it shows is shown, and what is ours is ours', async (t) => {
  const own = [...SHOWN_TABLES.keys()].filter((what) => PGBOUNCER[what] === undefined)
  t.same(own, ['pins', 'prepared', 'prepared_statements'])
})
