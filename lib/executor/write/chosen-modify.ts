import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { ChosenModify } from '../../planner/write/write-plans.ts'
import { pickParameters } from '../bound-parameters.ts'
import { arraysOf, RowCollector, runLockedSelect } from '../locked-select.ts'
import type { CommandTag, Execution, Parameters, StatementContext } from '../ports.ts'
import type { KeyReader } from '../route.ts'
import { runScatterSelect } from '../select.ts'
import { withClient } from '../with-client.ts'
import { runScatterModify } from './modify.ts'

/** Their keys are held in memory. */
const MAX_ROWS = 500_000

export function runChosenModify(
  plan: ChosenModify,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const parameters = await chosenParameters(plan, execution, context, keys)
    const own = { ...execution, parameters, keepsStatement: undefined }
    return runScatterModify(plan.modify, own, context, keys)
  })
}

/** Chooses the rows. */
export async function chosenParameters(
  plan: ChosenModify,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<Parameters> {
  const { chosen } = plan
  const rows = new RowCollector(MAX_ROWS)
  const own = {
    ...execution,
    resultFormats: [],
    sendsRowDescription: false,
    keepsStatement: undefined,
  }
  const where = withClient(context, rows)
  await (chosen.kind === 'locked-select'
    ? runLockedSelect(chosen, own, where, keys)
    : runScatterSelect(chosen, own, where, keys))
  if (rows.keys.length > MAX_ROWS) throw tooMany()
  return withRows(plan, execution, rows.keys)
}

export function withRows(
  { parameterCount, keyCount }: ChosenModify,
  { parameters }: Execution,
  rows: RowCollector['keys'],
): Parameters {
  const numbers = Array.from({ length: parameterCount }, (_, index) => index + 1)
  return pickParameters(parameters, numbers, arraysOf(rows, keyCount))
}

function tooMany(): RouterError {
  return new RouterError(
    SqlState.programLimitExceeded,
    `the statement changes more than ${MAX_ROWS} rows that are chosen over several shards`,
    { hint: 'Use a smaller LIMIT.' },
  )
}
