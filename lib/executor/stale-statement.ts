import { RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { errorFields } from '../wire/error-messages.ts'
import type { Execution, StatementContext } from './ports.ts'

/** ERROR of RevalidateCachedQuery; its text may be in any language. */
export function isResultTypeChange(error: unknown): boolean {
  if (!(error instanceof ServerError) || error.sqlState !== SqlState.featureNotSupported)
    return false
  return errorFields(error.frame).get('R') === 'RevalidateCachedQuery'
}

/** What was prepared no longer fits, or was taken away by code of the user's: to prepare it again heals that. */
export function isStaleStatement(error: RouterError): boolean {
  return error.sqlState === SqlState.invalidSqlStatementName || isResultTypeChange(error)
}

/** Errors of a form that we gave a statement. */
const ofForm = new WeakSet<RouterError>()

/** The error is that of how we wrote the statement for the servers: it has another way to run. */
export function blameForm(error: RouterError): void {
  ofForm.add(error)
}

/** What a server had kept does not fit any more: run without, it may be right. Only if nothing was answered yet. */
export function mayHeal(
  error: unknown,
  { keepsStatement }: Execution,
  { isInTransaction }: StatementContext,
): boolean {
  const isFirst = keepsStatement !== undefined && !isInTransaction
  if (!isFirst || !(error instanceof RouterError)) return false
  return isStaleStatement(error) || ofForm.has(error)
}
