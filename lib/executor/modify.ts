import type { ScatterModify } from '../planner/write-plans.ts'
import { ConcatenatedRows } from './concatenated-rows.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import type { KeyReader } from './route.ts'
import { ScatterFlow, scatter } from './scatter.ts'
import { scatterRequest } from './scatter-request.ts'

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
