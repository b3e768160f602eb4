import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Pin } from '../executor/transaction/session-pins.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import type { Login } from './client/client-handshake.ts'
import type { ClientSocket } from './client/client-socket.ts'
import type { SessionParts } from './session-parts.ts'

/** login: not let in yet. waiting: for a server connection. active: a statement or transaction is under way. */
export type SessionState = 'login' | 'idle' | 'active' | 'waiting'

/** One client as it is now, for those who look on. */
export type SessionReport = {
  readonly id: number
  /** Empty until the client has logged in, as database. */
  readonly user: string
  readonly database: string
  readonly state: SessionState
  /** A statement is under way, or the login. */
  readonly isBusy: boolean
  readonly address: string
  readonly port: number
  readonly localAddress: string
  readonly localPort: number
  readonly connectedAtMs: number
  readonly requestedAtMs: number
  readonly waitMs: number
  readonly tls: string
  readonly applicationName: string
  readonly preparedStatements: number
  readonly pins: readonly Pin[]
  /** Held for its transaction or pinned. */
  readonly connections: readonly BackendConnection[]
}

export type SessionFacts = {
  readonly id: number
  readonly socket: ClientSocket
  readonly isBusy: boolean
  readonly connectedAtMs: number
  readonly login: Login | undefined
  /** undefined: on its way in or out, or a client of the console. */
  readonly parts: SessionParts | undefined
}

export function reportSession(facts: SessionFacts): SessionReport {
  const { id, socket, isBusy, connectedAtMs, login, parts } = facts
  const waitingSinceMs = parts?.transaction.waitingSinceMs ?? 0
  const startedMs = parts?.clock.startedMs ?? 0
  return {
    id,
    user: login?.user ?? '',
    database: login?.database ?? '',
    state: stateOf(facts, waitingSinceMs),
    isBusy,
    address: socket.isUnix ? 'unix' : (socket.remoteAddress ?? 'unknown'),
    port: socket.remotePort ?? 0,
    localAddress: socket.localAddress ?? 'unix',
    localPort: socket.localPort ?? 0,
    connectedAtMs,
    requestedAtMs: startedMs === 0 ? connectedAtMs : performance.timeOrigin + startedMs,
    waitMs: waitingSinceMs === 0 ? 0 : performance.now() - waitingSinceMs,
    tls: socket.tlsName,
    applicationName: applicationNameOf(facts),
    preparedStatements: parts?.prepared.size ?? 0,
    pins: parts?.transaction.pins ?? [],
    connections: parts?.transaction.connections ?? [],
  }
}

/** Whoever has no session with settings has what he came with. */
function applicationNameOf({ login, parts }: SessionFacts): string {
  if (parts === undefined) return login?.settings.get('application_name') ?? ''
  return unquoted(parts.settings.effective.get('application_name'))
}

function stateOf({ login, isBusy, parts }: SessionFacts, waitingSinceMs: number): SessionState {
  if (login === undefined) return 'login'
  if (waitingSinceMs !== 0) return 'waiting'
  const isInBlock = parts !== undefined && parts.transaction.status !== TransactionStatus.idle
  return isBusy || isInBlock ? 'active' : 'idle'
}

/** Settings are kept as SQL. */
function unquoted(literal: string | undefined): string {
  const [, text = literal ?? ''] = /^E?'(.*)'$/s.exec(literal ?? '') ?? []
  return text.replaceAll("''", "'")
}
