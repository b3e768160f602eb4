import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Plan } from '../planner/plan.ts'
import { TransactionStatus } from '../wire/message-codes.ts'

/** The statements that a failed transaction still takes. */
const EXITS: ReadonlySet<string> = new Set([
  'commit',
  'rollback',
  'rollback-to',
  'prepare-transaction',
])

export function endsTransaction(plan: Plan): boolean {
  return plan.kind === 'session' && EXITS.has(plan.command.kind)
}

export function checkNotFailed(status: number, plan: Plan | undefined): void {
  if (status !== TransactionStatus.failed) return
  if (plan !== undefined && endsTransaction(plan)) return
  throw new RouterError(
    SqlState.inFailedSqlTransaction,
    'current transaction is aborted, commands ignored until end of transaction block',
  )
}

/** As the last thing that the client hears. */
export function asFatal(error: RouterError): RouterError {
  if (error.severity !== 'ERROR') return error
  return new RouterError(error.sqlState, error.message, { severity: 'FATAL', cause: error })
}
