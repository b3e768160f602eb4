import type { ProxyView } from './proxy-ports.ts'
import type { SocketReport } from './reports.ts'
import { shownTable } from './shown-table.ts'
import { shownTime } from './shown-time.ts'

const MICROS_PER_SECOND = 1_000_000

const SOCKET_COLUMNS = {
  type: 'text',
  user: 'text',
  database: 'text',
  replication: 'text',
  state: 'text',
  addr: 'text',
  port: 'int4',
  local_addr: 'text',
  local_port: 'int4',
  connect_time: 'text',
  request_time: 'text',
  wait: 'int4',
  wait_us: 'int4',
  close_needed: 'int4',
  ptr: 'text',
  link: 'text',
  remote_pid: 'int4',
  tls: 'text',
  application_name: 'text',
  prepared_statements: 'int4',
  id: 'int4',
} as const

/** PgBouncer's view into its buffers; ours are the event loop's. */
const BUFFER_COLUMNS = {
  recv_pos: 'int4',
  pkt_pos: 'int4',
  pkt_remain: 'int4',
  send_pos: 'int4',
  send_remain: 'int4',
  pkt_avail: 'int4',
  send_avail: 'int4',
} as const

const NO_BUFFERS = {
  recv_pos: 0,
  pkt_pos: 0,
  pkt_remain: 0,
  send_pos: 0,
  send_remain: 0,
  pkt_avail: 0,
  send_avail: 0,
}

export const CLIENTS = shownTable({
  columns: { ...SOCKET_COLUMNS, pins: 'text' },
  rows: async (proxy: ProxyView) =>
    (await proxy.clients()).map((client) => ({
      ...socketRow('C', client),
      pins: client.pins.map(({ reason }) => reason).join(', '),
    })),
})

export const SERVERS = shownTable({
  columns: { ...SOCKET_COLUMNS, node: 'int4' },
  rows: async (proxy: ProxyView) =>
    (await proxy.servers()).map((server) => ({ ...socketRow('S', server), node: server.nodeId })),
})

export const SOCKETS = shownTable({
  columns: { ...SOCKET_COLUMNS, ...BUFFER_COLUMNS },
  rows: (proxy: ProxyView) => sockets(proxy, () => true),
})

export const ACTIVE_SOCKETS = shownTable({
  columns: { ...SOCKET_COLUMNS, ...BUFFER_COLUMNS },
  rows: (proxy: ProxyView) => sockets(proxy, ({ state }) => state !== 'idle'),
})

async function sockets(proxy: ProxyView, isShown: (socket: SocketReport) => boolean) {
  const [clients, servers] = await Promise.all([proxy.clients(), proxy.servers()])
  return [
    ...clients.filter(isShown).map((client) => socketRow('C', client)),
    ...servers.filter(isShown).map((server) => socketRow('S', server)),
  ].map((row) => ({
    ...row,
    ...NO_BUFFERS,
    state: `${row.type === 'C' ? 'cl' : 'sv'}_${row.state === 'new' ? 'login' : row.state}`,
  }))
}

function socketRow(type: 'C' | 'S', socket: SocketReport) {
  const { waitMicros, linkId } = socket
  const otherSide = type === 'C' ? 's' : 'c'
  return {
    type,
    user: socket.user,
    database: socket.database,
    replication: 'none',
    state: socket.state,
    addr: socket.address,
    port: socket.port,
    local_addr: socket.localAddress,
    local_port: socket.localPort,
    connect_time: shownTime(socket.connectedAtMs),
    request_time: shownTime(socket.requestedAtMs),
    wait: waitMicros / MICROS_PER_SECOND,
    wait_us: waitMicros % MICROS_PER_SECOND,
    close_needed: socket.isCloseNeeded ? 1 : 0,
    ptr: `${type.toLowerCase()}${socket.id}`,
    link: linkId === null ? '' : `${otherSide}${linkId}`,
    remote_pid: socket.remotePid,
    tls: socket.tls,
    application_name: socket.applicationName,
    prepared_statements: socket.preparedStatements,
    id: socket.id,
  }
}
