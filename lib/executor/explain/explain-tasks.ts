import type { Shard } from '../../catalog/catalog.ts'
import type { ExplainPlan } from '../../planner/plan.ts'
import type { QueryTier, StatementContext } from '../ports.ts'
import { type ScatterRequest, scatter } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import {
  type ActualRun,
  actualRows,
  executionTime,
  type Job,
  type ServerPlan,
  type Task,
} from './explain-plan.ts'
import { explainHead, explainSettings, planReader } from './explain-server.ts'

export type ExplainedJob = { readonly job: Job; readonly actual: ActualRun | undefined }

export type TasksOfJob = {
  readonly request: Omit<ScatterRequest, 'resultFormats' | 'maxRows'>
  readonly tier: QueryTier
  readonly shardCount: number
}

/**
 * Explains a statement on its shards: with ANALYZE it is run on all of them, once, else one is asked, or all if all are
 * to be shown. The one that is shown is the slowest, or the first.
 */
export async function explainTasks(
  plan: ExplainPlan,
  { request, tier, shardCount }: TasksOfJob,
  context: StatementContext,
): Promise<ExplainedJob> {
  const { shards } = request
  const { showsAllTasks, sortsByTime } =
    shards.length === 1 ? ONLY_TASK : await explainSettings(context)
  const asked = plan.analyzes || showsAllTasks ? shards : shards.slice(0, 1)
  const beganMs = performance.now()
  const tasks = await runTasks(plan, { ...request, shards: asked }, context)
  const milliseconds = performance.now() - beganMs
  const rows = tasks.reduce((sum, { plan: task }) => sum + actualRows(task), 0)
  if (plan.analyzes && sortsByTime) {
    tasks.sort((a, b) => executionTime(b.plan) - executionTime(a.plan))
  }
  const shown = showsAllTasks ? tasks : tasks.slice(0, 1)
  return {
    job: { tier, taskCount: shards.length, shardCount, tasks: shown },
    actual: plan.analyzes ? { milliseconds, rows } : undefined,
  }
}

const ONLY_TASK = { showsAllTasks: true, sortsByTime: false }

async function runTasks(
  plan: ExplainPlan,
  request: TasksOfJob['request'],
  context: StatementContext,
): Promise<Task[]> {
  const head = Buffer.from(explainHead(plan))
  const plans = new Map<Shard, ServerPlan>()
  const explaining: ScatterRequest = {
    ...request,
    textFor: (shard) => Buffer.concat([head, request.textFor(shard)]),
    resultFormats: [],
    maxRows: 0,
  }
  await scatter(explaining, context, new ScatterFlow(), (_connection, shards) => {
    const left = [...shards]
    return planReader(plan, context, { positions: 'drop' }, (explained) => {
      const shard = left.shift()
      if (shard !== undefined) plans.set(shard, explained)
    })
  })
  return request.shards.flatMap((shard) => {
    const explained = plans.get(shard)
    return explained === undefined ? [] : [{ nodeId: shard.nodeId, plan: explained }]
  })
}
