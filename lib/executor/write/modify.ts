import type { ScatterModify } from '../../planner/write/write-plans.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import type { KeyReader } from '../route.ts'
import { ConcatenatedRows } from '../scatter/concatenated-rows.ts'
import { scatter } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'

/** UPDATE, DELETE or INSERT … SELECT on several shards: on all of them or on none. */
export function runScatterModify(
  plan: ScatterModify,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const request = await scatterRequest(plan, execution, context, keys, {
      resultFormats: execution.resultFormats,
      maxRows: 0,
      access: 'write',
    })
    const flow = new ScatterFlow()
    const rows = new ConcatenatedRows(context, flow, execution.sendsRowDescription)
    await scatter(request, context, flow, rows.readerFor)
    return rows.summedTag
  })
}
