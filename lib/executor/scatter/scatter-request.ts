import type { ScatterSelect } from '../../planner/plan.ts'
import { pickParameters } from '../bound-parameters.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { allowedShards, type KeyReader } from '../route.ts'
import { textForShard } from '../shard-text.ts'
import type { ScatterRequest } from './scatter.ts'

export type ScatterOptions = Pick<
  ScatterRequest,
  'resultFormats' | 'maxRows' | 'access' | 'unites'
> & {
  /** false: the columns need not be known each time. */
  readonly describesAlways?: boolean
}

export type ScatterPlan = Pick<
  ScatterSelect,
  'table' | 'pins' | 'worker' | 'parameters' | 'usesTransactionTime'
>

/** What a scatter plan means for the execution at hand. */
export async function scatterRequest(
  plan: ScatterPlan,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
  { describesAlways = true, ...options }: ScatterOptions,
): Promise<ScatterRequest> {
  const extra = plan.usesTransactionTime ? [await context.transactionTime()] : []
  const parameters = pickParameters(execution.parameters, plan.parameters, extra)
  const { worker, table } = plan
  const { keepsStatement: keeping } = execution
  return {
    shards: allowedShards(table, plan.pins, keys),
    textFor: (shard) => textForShard(worker, shard),
    parameters,
    kept:
      keeping === undefined
        ? undefined
        : { worker, table, parameters, keeping, describesAlways, ...options },
    ...options,
  }
}
