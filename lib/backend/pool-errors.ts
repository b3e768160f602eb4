import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** PgBouncer's own words. */
export function waitTimeoutError(): RouterError {
  return new RouterError(SqlState.tooManyConnections, 'query_wait_timeout', {
    detail: 'No server connection became free in time.',
    hint: 'Raise the pool size, or look for transactions that stay open.',
  })
}

export function closedError(): RouterError {
  return new RouterError(SqlState.cannotConnectNow, 'the connection pool is shutting down')
}

export function abortReason(signal: AbortSignal): RouterError {
  const reason: unknown = signal.reason
  if (reason instanceof RouterError) return reason
  return new RouterError(SqlState.queryCanceled, 'canceling statement due to user request', {
    cause: reason,
  })
}
