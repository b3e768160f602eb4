import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import { shardsByNode } from '../../catalog/node-shards.ts'
import type { CombineQuery, ExplainPlan, PulledPlan, ScatterSelect } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import type { FieldDescription } from '../../wire/row-description.ts'
import { columnTypes } from '../column-types.ts'
import type { Execution, StatementContext } from '../ports.ts'
import type { KeyReader } from '../route.ts'
import { combine } from '../scatter/combine.ts'
import { isInexact, ownParameters } from '../scatter/combined-query.ts'
import { chooseExchange } from '../scatter/exchanged-values.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { textForShard } from '../shard-text.ts'
import { describeStatement } from '../statement-description.ts'
import {
  type DistributedScan,
  estimatedRows,
  type Job,
  type ServerPlan,
  type Subplan,
} from './explain-plan.ts'
import { explainHead, explainOn, planReader } from './explain-server.ts'
import { withScan } from './explain-source.ts'
import { type ExplainedJob, explainTasks } from './explain-tasks.ts'

/** What Citus takes a distributed query to give, where nothing better is known. */
const USUAL_ROWS = 100_000

export type ExplainRun = {
  readonly execution: Execution
  readonly context: StatementContext
  readonly keys: KeyReader
  /** What has been sent to the nodes before. */
  readonly subplans?: readonly Subplan[]
  /** Puts the user's names in place of ours. */
  readonly renamed?: (plan: ServerPlan) => ServerPlan
}

/** The plan that is taken for these types of columns: sums of floats are not combined from partial ones. */
export async function exactPlan(
  scatter: ScatterSelect,
  run: ExplainRun,
): Promise<ScatterSelect | PulledPlan> {
  const { combine: query } = scatter
  if (query === undefined || query.inexactTypes.length === 0) return scatter
  const fields = await workerFields(scatter, run)
  const alternative = isInexact(query, fields) ? query.gathered?.() : scatter
  if (alternative?.kind === 'refusal') throw refusalError(alternative)
  return alternative ?? scatter
}

/** The combine query's plan on the coordinator, in which a Custom Scan stands for the shards. */
export async function explainCombine(
  plan: ExplainPlan,
  scatter: ScatterSelect,
  query: CombineQuery,
  run: ExplainRun,
): Promise<{ readonly tree: ServerPlan; readonly executionMs: number }> {
  const { execution, context, keys, subplans = [] } = run
  const options = { resultFormats: [], maxRows: 0, access: 'read' } as const
  const exchange = await chooseExchange(scatter, run)
  const asked = exchange === undefined ? scatter : { ...scatter, ...exchange.worker }
  const request = await scatterRequest(asked, execution, context, keys, options)
  const shardCount = scatter.table.shards.length
  const exchangedOver = exchange === undefined ? undefined : shardsByNode(request.shards).length
  const explained = await explainTasks(plan, { request, tier: 'combine', shardCount }, context)
  // what came before is the price of EXPLAIN, not the statement's
  const beganMs = performance.now()
  const { tree, receivedBytes } = plan.analyzes
    ? await combineReally(plan, scatter, query, run)
    : { tree: await combineNothing(plan, scatter, query, run, explained), receivedBytes: undefined }
  const scan: DistributedScan = {
    provider: 'Citus Adaptive',
    subplans,
    job: { ...renamedTasks(explained.job, run), receivedBytes, exchangedOver },
    actual: explained.actual,
  }
  const executionMs = performance.now() - beganMs
  return { tree: withScan(tree, scan, plan, context.catalog), executionMs }
}

export function renamedTasks(job: Job, { renamed }: ExplainRun): Job {
  if (renamed === undefined) return job
  return { ...job, tasks: job.tasks.map((task) => ({ ...task, plan: renamed(task.plan) })) }
}

/** The shards' rows are fetched as if for the client, since EXPLAIN gives none. */
async function combineReally(
  plan: ExplainPlan,
  scatter: ScatterSelect,
  query: CombineQuery,
  { execution, context, keys }: ExplainRun,
): Promise<{ tree: ServerPlan; receivedBytes: number | undefined }> {
  let tree: ServerPlan = { kind: 'text', lines: [] }
  const reader = planReader(plan, context, { positions: 'drop' }, (taken) => {
    tree = taken
  })
  const explaining = { head: explainHead(plan), reader, receivedBytes: 0 }
  const own = { ...execution, resultFormats: [] }
  await combine(scatter, query, { execution: own, context, keys, explaining })
  return { tree, receivedBytes: explaining.receivedBytes }
}

/** Over a source without rows, but of the worker query's types and estimated size. */
async function combineNothing(
  plan: ExplainPlan,
  scatter: ScatterSelect,
  query: CombineQuery,
  run: ExplainRun,
  { job }: ExplainedJob,
): Promise<ServerPlan> {
  const { execution, context } = run
  const fields = await workerFields(scatter, run)
  const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'read')
  const types = await columnTypes(connection, fields)
  const [task] = job.tasks
  const rowsOfTask = task === undefined ? undefined : estimatedRows(task.plan)
  const rowCount = rowsOfTask === undefined ? USUAL_ROWS : rowsOfTask * job.taskCount
  const text = query.text(
    emptySource(types, rowCount),
    fields.map(({ typeOid }) => typeOid),
    fields.map(({ name }) => name),
  )
  const parameters = await ownParameters(query, execution, context)
  return explainOn(
    connection,
    plan,
    Buffer.from(`${explainHead(plan)}${text}`),
    parameters,
    context,
  )
}

function emptySource(types: readonly { readonly name: string }[], rowCount: number): string {
  const columns = types.map(({ name }, index) => `c${index + 1} ${name}`)
  const typed =
    columns.length === 0 ? [] : [`pg_catalog.json_to_recordset('[]') AS (${columns.join(', ')})`]
  const sized = `pg_catalog.generate_series(1, ${Math.max(1, Math.round(rowCount))})`
  return `ROWS FROM (${[...typed, sized].join(', ')}) AS s`
}

async function workerFields(
  scatter: ScatterSelect,
  { context }: ExplainRun,
): Promise<readonly FieldDescription[]> {
  const [shard] = scatter.table.shards
  if (shard === undefined) throw new Error('a table without shards')
  const connection = await context.connection(shard.nodeId, 'read')
  const text = textForShard(scatter.worker, shard)
  return (await describeStatement(connection, text, [])).fields ?? []
}
