import type { ScatterSelect } from '../planner/plan.ts'
import { combine } from './combine.ts'
import { ConcatenatedRows } from './concatenated-rows.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import type { KeyReader } from './route.ts'
import { ScatterFlow, scatter } from './scatter.ts'
import { scatterRequest } from './scatter-request.ts'

/** A SELECT over several shards. */
export async function runScatterSelect(
  plan: ScatterSelect,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  if (plan.combine !== undefined) return combine(plan, plan.combine, { execution, context, keys })
  const request = await scatterRequest(plan, execution, context, keys, {
    resultFormats: execution.resultFormats,
    maxRows: plan.rowLimit ?? 0,
    access: 'read',
  })
  const flow = new ScatterFlow()
  const limit = plan.rowLimit ?? Number.POSITIVE_INFINITY
  const rows = new ConcatenatedRows(context, flow, execution.sendsRowDescription, limit)
  const nodeCount = new Set(request.shards.map(({ nodeId }) => nodeId)).size
  if (nodeCount === 1 && plan.rowLimit === undefined) {
    await scatter(request, context, flow, rows.runsFor)
    return rows.summedTag
  }
  await scatter(request, context, flow, rows.readerFor)
  return `SELECT ${rows.rowCount}`
}
