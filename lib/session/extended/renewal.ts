import { haveSameColumns, ResultTypeChange } from '../../executor/stale-statement.ts'
import type { StatementRunner } from '../statement-runner.ts'
import type { PreparedCommands } from './prepared-commands.ts'
import type { PreparedStatement } from './prepared-statements.ts'

/**
 * Plans a statement anew if the metadata or the search path have changed, or a server has found its result to have. What it takes stays as it was.
 * What it gives must stay if the client goes by what it was told of it; `tellsAgain`: it will be told with the run at hand. Else the
 * error is Postgres' own, each time.
 */
export async function renew(
  statement: PreparedStatement,
  runner: StatementRunner,
  prepared: PreparedCommands,
  tellsAgain: boolean,
): Promise<void> {
  const { planned, description: known, isOutdated } = statement
  if (isOutdated && statement.isDescribed && !tellsAgain) throw new ResultTypeChange()
  if (planned === undefined || (!isOutdated && runner.isCurrent(planned))) return
  statement.renew(runner.ownPlan(planned), known?.parameterTypes)
  if (known === undefined) return
  try {
    const { fields } = await prepared.describe(statement)
    const isTrue = !statement.isDescribed || haveSameColumns(fields, known.fields)
    // until the client has in fact been told
    statement.isOutdated = !isTrue
    if (isTrue) return
    if (!tellsAgain) throw new ResultTypeChange()
  } catch (error) {
    statement.planned = planned
    statement.description = known
    throw error
  }
}
