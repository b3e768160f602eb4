import type { LockedSelect } from '../../planner/locked-plans.ts'
import type { ExplainPlan } from '../../planner/plan.ts'
import type { ChosenModify } from '../../planner/write/write-plans.ts'
import { lockChosen, wantedRows, withKeys, withLimit } from '../locked-select.ts'
import type { Execution } from '../ports.ts'
import { type ScatterPlan, scatterRequest } from '../scatter/scatter-request.ts'
import { chosenParameters, withRows } from '../write/chosen-modify.ts'
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
  const { table, pins, candidates, lock } = locked
  const first = { name: '1_1', relation: 'rows that come first', query: candidates }
  const second = { name: '1_2', relation: 'rows that are locked', query: { ...lock, table, pins } }
  const own = { context, keys }
  return {
    subplans: [
      await explainStep(plan, first, { ...own, execution: asked }),
      await explainStep(plan, second, { ...own, execution: held }),
    ],
    execution: held,
  }
}

/** Which rows an UPDATE or DELETE has chosen: with ANALYZE, after they have been. */
export async function explainChoice(
  plan: ExplainPlan,
  multi: ChosenModify,
  run: ExplainRun,
): Promise<ExplainedLocks> {
  const { execution, context, keys } = run
  const { chosen } = multi
  const parameters = plan.analyzes
    ? await chosenParameters(multi, execution, context, keys)
    : withRows(multi, execution, [])
  const changed = { ...execution, parameters }
  if (chosen.kind === 'locked-select') {
    return { ...(await explainLocks(plan, chosen, run)), execution: changed }
  }
  const step = { name: '1_1', relation: 'rows that are chosen', query: chosen }
  return { subplans: [await explainStep(plan, step, run)], execution: changed }
}

type Step = {
  readonly name: string
  readonly relation: string
  readonly query: ScatterPlan
}

async function explainStep(
  plan: ExplainPlan,
  { name, relation, query }: Step,
  { execution, context, keys }: ExplainRun,
): Promise<Subplan> {
  const access = plan.analyzes ? 'write' : 'read'
  const options = { resultFormats: [], maxRows: 0, access } as const
  const request = await scatterRequest(query, execution, context, keys, options)
  const tasks = { request, tier: 'scatter', shardCount: query.table.shards.length } as const
  const explained = await explainTasks(plan, tasks, context)
  return { name, relation, bytes: undefined, scan: { provider: 'Citus Adaptive', ...explained } }
}
