import type { ScatterSelect } from '../planner/plan.ts'
import { pickParameters } from './bound-parameters.ts'
import type { Execution, StatementContext } from './ports.ts'
import { allowedShards, type KeyReader } from './route.ts'
import type { ScatterRequest } from './scatter.ts'
import { textForShard } from './shard-text.ts'

/** What a scatter plan means for the execution at hand. */
export async function scatterRequest(
  plan: Pick<ScatterSelect, 'table' | 'pins' | 'worker' | 'parameters' | 'usesTransactionTime'>,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
  options: Pick<ScatterRequest, 'resultFormats' | 'maxRows' | 'access'>,
): Promise<ScatterRequest> {
  const extra = plan.usesTransactionTime ? [await context.transactionTime()] : []
  return {
    shards: allowedShards(plan.table, plan.pins, keys),
    textFor: (shard) => textForShard(plan.worker, shard),
    parameters: pickParameters(execution.parameters, plan.parameters, extra),
    ...options,
  }
}
