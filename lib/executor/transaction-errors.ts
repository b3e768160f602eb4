import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

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
