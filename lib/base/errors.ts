import { SqlState } from './sqlstate.ts'

export type Severity = 'ERROR' | 'FATAL' | 'PANIC'

export type ErrorDetails = {
  readonly severity?: Severity
  readonly detail?: string
  readonly hint?: string
  /** 1-based, in characters of the client's own statement, as in the protocol's field P. */
  readonly position?: number
  /** CONTEXT: where it came about. */
  readonly context?: string
  readonly cause?: unknown
}

/**
 * An error that a client may see, as a Postgres ErrorResponse. Anything else that is thrown is a bug
 * and reaches the client as XX000. Messages are lower case without a full stop, as Postgres writes them.
 */
export class RouterError extends Error {
  readonly sqlState: string
  readonly severity: Severity
  readonly detail: string | undefined
  readonly hint: string | undefined
  readonly position: number | undefined
  readonly context: string | undefined

  constructor(sqlState: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.sqlState = sqlState
    this.severity = details.severity ?? 'ERROR'
    this.detail = details.detail
    this.hint = details.hint
    this.position = details.position
    this.context = details.context
  }
}

/** The peer broke the protocol: the session ends. */
export class ProtocolError extends RouterError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(SqlState.protocolViolation, message, { severity: 'FATAL', ...details })
  }
}

/**
 * A server's own ErrorResponse. `frame` is a private copy of the whole message, type byte included;
 * towards the client it goes as it is (but for what executor/error-rewriting mends).
 */
export class ServerError extends RouterError {
  readonly frame: Buffer

  constructor(frame: Buffer, sqlState: string, message: string, details: ErrorDetails = {}) {
    super(sqlState, message, details)
    this.frame = frame
  }
}

/** A server connection was lost or could not be made. */
export class BackendLost extends RouterError {
  /** false: provably nothing of the request reached the server, so it may be tried again elsewhere. */
  readonly sent: boolean

  constructor(message: string, sent: boolean, details: ErrorDetails = {}) {
    super(SqlState.connectionFailure, message, details)
    this.sent = sent
  }
}

/** Whatever was thrown, as an error for the client; undefined cause: it was one already. */
export function asRouterError(error: unknown): RouterError {
  if (error instanceof RouterError) return error
  return new RouterError(SqlState.internalError, 'internal error', { cause: error })
}
