import type { LockedSelect } from '../../planner/locked-plans.ts'
import type { ExplainPlan, WorkerQuery } from '../../planner/plan.ts'
import { lockChosen, wantedRows, withKeys, withLimit } from '../locked-select.ts'
import type { Execution } from '../ports.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import type { ExplainRun } from './explain-combine.ts'
import type { Subplan } from './explain-plan.ts'
import { explainTasks } from './explain-tasks.ts'

export type ExplainedLocks = {
  readonly subplans: readonly Subplan[]
  /** For the statement over the rows that were locked. */
  readonly execution: Execution
}

/** Which rows come first, and how they are locked: with ANALYZE, after they have been. */
export async function explainLocks(
  plan: ExplainPlan,
  locked: LockedSelect,
  { execution, context, keys }: ExplainRun,
): Promise<ExplainedLocks> {
  const run = { plan: locked, execution, context, keys }
  const wanted = (await wantedRows(run)) ?? 0
  const parameters = plan.analyzes ? await lockChosen(run) : withKeys(run, [])
  const asked = { ...execution, parameters: withLimit(run, wanted) }
  const held = { ...execution, parameters }
  const subplan = async (
    name: string,
    relation: string,
    query: WorkerQuery,
    own: Execution,
  ): Promise<Subplan> => {
    const { table, pins } = locked
    const access = plan.analyzes ? 'write' : 'read'
    const options = { resultFormats: [], maxRows: 0, access } as const
    const request = await scatterRequest({ ...query, table, pins }, own, context, keys, options)
    const tasks = { request, tier: 'scatter', shardCount: table.shards.length } as const
    const explained = await explainTasks(plan, tasks, context)
    return { name, relation, bytes: undefined, scan: { provider: 'Citus Adaptive', ...explained } }
  }
  const first = await subplan('1_1', 'rows that come first', locked.candidates, asked)
  const second = await subplan('1_2', 'rows that are locked', locked.lock, held)
  return { subplans: [first, second], execution: held }
}
