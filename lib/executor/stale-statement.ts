import { RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { errorFields } from '../wire/error-messages.ts'
import { type FieldDescription, readRowDescription } from '../wire/row-description.ts'
import type { Execution, StatementContext } from './ports.ts'

/** Rows of other columns than the client was told of, or is to be told. As Postgres says it. */
export class ResultTypeChange extends RouterError {
  constructor() {
    super(SqlState.featureNotSupported, 'cached plan must not change result type', {
      hint: 'Prepare the statement again.',
    })
  }
}

/** To a client: names, types and their lengths. */
export function haveSameColumns(
  one: readonly FieldDescription[] | undefined,
  other: readonly FieldDescription[] | undefined,
): boolean {
  if (one === undefined || other === undefined) return one === other
  return (
    one.length === other.length &&
    one.every(
      ({ name, typeOid, typeModifier }, index) =>
        name === other[index]?.name &&
        typeOid === other[index]?.typeOid &&
        typeModifier === other[index]?.typeModifier,
    )
  )
}

/** `description`: a RowDescription as the client would get it. Lengths may differ: constants have them in some plans only. Throws ResultTypeChange. */
export function checkColumns(
  description: Buffer,
  expected: readonly FieldDescription[] | undefined,
): void {
  if (expected === undefined) return
  const fields = readRowDescription(description)
  const isSame =
    fields.length === expected.length &&
    fields.every(
      ({ name, typeOid }, index) =>
        name === expected[index]?.name && typeOid === expected[index]?.typeOid,
    )
  if (!isSame) throw new ResultTypeChange()
}

/** ERROR of RevalidateCachedQuery, whose text may be in any language, or our own. */
export function isResultTypeChange(error: unknown): boolean {
  if (error instanceof ResultTypeChange) return true
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
