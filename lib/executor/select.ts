import type { ScatterSelect } from '../planner/plan.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import type { KeyReader } from './route.ts'
import { combine } from './scatter/combine.ts'
import { ConcatenatedRows } from './scatter/concatenated-rows.ts'
import { scatter } from './scatter/scatter.ts'
import { ScatterFlow } from './scatter/scatter-flow.ts'
import { scatterRequest } from './scatter/scatter-request.ts'
import { mayHeal } from './stale-statement.ts'

/** A SELECT over several shards. */
export async function runScatterSelect(
  plan: ScatterSelect,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  if (plan.combine !== undefined) return combine(plan, plan.combine, { execution, context, keys })
  const flow = new ScatterFlow()
  const limit = plan.rowLimit ?? Number.POSITIVE_INFINITY
  const { sendsRowDescription, expectedFields } = execution
  const rows = new ConcatenatedRows(context, flow, sendsRowDescription, limit, expectedFields)
  try {
    const request = await scatterRequest(plan, execution, context, keys, {
      resultFormats: execution.resultFormats,
      maxRows: plan.rowLimit ?? 0,
      access: plan.locksRows ? 'write' : 'read',
      describesAlways: execution.sendsRowDescription,
      unites: !execution.sendsRowDescription,
    })
    await scatter(
      request,
      context,
      flow,
      plan.rowLimit === undefined ? rows.runsFor : rows.readerFor,
    )
  } catch (error) {
    if (rows.hasAnswered || !mayHeal(error, execution, context)) throw error
    return runScatterSelect(plan, { ...execution, keepsStatement: undefined }, context, keys)
  }
  return plan.rowLimit === undefined ? rows.summedTag : `SELECT ${rows.rowCount}`
}
