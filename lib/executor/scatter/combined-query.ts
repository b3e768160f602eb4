import type { CombineQuery } from '../../planner/plan.ts'
import type { FieldDescription } from '../../wire/row-description.ts'
import { pickParameters } from '../bound-parameters.ts'
import type { Execution, Parameters, StatementContext } from '../ports.ts'

/** Partial results of these types don't add up to what one Postgres computes (sums of floats, say). */
export function isInexact(
  { inexactTypes }: CombineQuery,
  fields: readonly FieldDescription[],
): boolean {
  return inexactTypes.some(({ column, typeOids }) =>
    typeOids.includes(fields[column]?.typeOid ?? 0),
  )
}

export async function ownParameters(
  query: CombineQuery,
  execution: Execution,
  context: StatementContext,
): Promise<Parameters> {
  const extra = query.usesTransactionTime ? [await context.transactionTime()] : []
  return pickParameters(execution.parameters, query.parameters, extra)
}
