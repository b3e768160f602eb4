import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'

export function failedTransaction(): RouterError {
  return new RouterError(
    SqlState.inFailedSqlTransaction,
    'current transaction is aborted, commands ignored until end of transaction block',
  )
}

export function lostWhileCommitting(cause: unknown): RouterError {
  return new RouterError(
    SqlState.transactionResolutionUnknown,
    'the outcome of the transaction is unknown: the server was lost while it committed',
    { hint: 'Check its effects before you retry.', cause },
  )
}

export function reservedGid(gid: string): RouterError {
  return new RouterError(
    SqlState.invalidParameterValue,
    `transaction identifier "${gid}" is reserved`,
    { hint: 'Choose one that begins neither with pgloom_ nor with pgloom:.' },
  )
}

export function gidInUse(gid: string): RouterError {
  return new RouterError(
    SqlState.duplicateObject,
    `transaction identifier "${gid}" is already in use`,
  )
}

export function gidTooLong(gid: string): RouterError {
  return new RouterError(
    SqlState.invalidParameterValue,
    `transaction identifier "${gid}" is too long`,
    {
      hint: 'Of a transaction that wrote on a worker it may have 179 bytes, on several nodes 145.',
    },
  )
}

/** PgBouncer's words. */
export function noTransactions(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'transaction blocks not allowed in statement pooling mode',
    {
      hint: 'Send each statement by itself, or set pool_mode to transaction for this database or user.',
    },
  )
}
