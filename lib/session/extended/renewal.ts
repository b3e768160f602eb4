import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { StatementDescription } from '../../executor/statement-description.ts'
import type { StatementRunner } from '../statement-runner.ts'
import type { PreparedCommands } from './prepared-commands.ts'
import type { PreparedStatement } from './prepared-statements.ts'

/**
 * Plans a statement anew if the metadata or the search path have changed. What it takes stays as it was. What it gives must stay if the client
 * goes by what it was told of it; `tellsAgain`: it will be told with the run at hand. Else the error is Postgres' own, each time.
 */
export async function renew(
  statement: PreparedStatement,
  runner: StatementRunner,
  prepared: PreparedCommands,
  tellsAgain: boolean,
): Promise<void> {
  const { planned, description: known } = statement
  if (statement.isOutdated && !tellsAgain) throw changed()
  if (planned === undefined || runner.isCurrent(planned)) return
  statement.renew(runner.ownPlan(planned), known?.parameterTypes)
  if (known === undefined) return
  const { fields } = await prepared.describe(statement)
  if (!statement.isDescribed || tellsAgain || isSame({ ...known, fields }, known)) return
  statement.planned = planned
  statement.description = known
  throw changed()
}

function changed(): RouterError {
  const message = 'cached plan must not change result type'
  return new RouterError(SqlState.featureNotSupported, message, {
    hint: 'Prepare the statement again.',
  })
}

/** To a client: names, types and their lengths. */
function isSame(
  { fields: one }: StatementDescription,
  { fields: other }: StatementDescription,
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
