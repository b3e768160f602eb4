import type { BackendConnection } from '../../backend/backend-connection.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { ExplainPlan, PulledPart, PulledPlan } from '../../planner/plan.ts'
import type { BroadcastChoice } from '../../planner/pull/broadcast-plans.ts'
import type { InsertThroughScratchPlan, Repartition } from '../../planner/write/write-plans.ts'
import { keysOf } from '../execution-keys.ts'
import { query } from '../node-client.ts'
import { withInferredTypes } from '../parameter-types.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { dropPulled, pulledNames, pullInto } from '../pull/pulled.ts'
import type { PulledTable } from '../pull/pulled-table.ts'
import { PositionMap } from '../relay/position-map.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { replacedText } from '../relay/relay-on.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { withClient } from '../with-client.ts'
import { repartitionRequest, usableRepartition } from '../write/repartition/repartition.ts'
import { retarget, throughScratch, upsertRows } from '../write/scratch-insert.ts'
import { createScratchTable, dropScratchTable, type ScratchTable } from '../write/scratch-table.ts'
import {
  actualRows,
  type DistributedScan,
  type Job,
  reworded,
  type ServerPlan,
  type Subplan,
} from './explain-plan.ts'
import { explainOn, withHead } from './explain-server.ts'
import { explainTasks } from './explain-tasks.ts'
import { NoticesOnly } from './notices-only.ts'

type PulledOver = {
  readonly execution: Execution
  readonly context: StatementContext
  /** Of what was done before. */
  readonly subplans?: readonly Subplan[]
}

/** The statement's plan over the pulled tables, below one subplan for each of them. */
export async function explainPulledOver(
  plan: ExplainPlan,
  pulled: PulledPlan,
  tables: readonly PulledTable[],
  connection: BackendConnection,
  { execution, context, subplans: before = [] }: PulledOver,
): Promise<DistributedScan> {
  const sent = { ...pulled, before }
  const subplans = await explainSubplans(plan, sent, tables, execution, context)
  const positions = new PositionMap()
  const names = [...pulledNames(pulled, tables)].sort((a, b) => a.start - b.start)
  const text = withHead(plan, replacedText(execution, names, positions), positions)
  const mending = { positions }
  const beganMs = performance.now()
  const raw = await explainOn(connection, plan, text, execution.parameters, context, mending)
  const milliseconds = performance.now() - beganMs
  const own = withUserNames(raw, pulled, tables)
  const { nodeId } = coordinatorOf(context.catalog)
  const tasks = [{ nodeId, plan: own }]
  return {
    provider: 'Citus Adaptive',
    subplans,
    job: { tier: 'pull', taskCount: 1, shardCount: undefined, tasks },
    actual: plan.analyzes ? { milliseconds, rows: actualRows(own) } : undefined,
  }
}

/** What goes elsewhere before the statement runs. */
type Sent = {
  readonly pulls: PulledPlan['pulls']
  readonly parts: readonly Pick<PulledPart, 'scatter'>[]
  readonly splits?: BroadcastChoice['splits']
  /** undefined: to the coordinator alone. */
  readonly nodeCount?: number
  /** Subplans that come before these. */
  readonly before?: readonly Subplan[]
  /** Of the parts, before their numbers. */
  readonly name?: string
}

export async function explainSubplans(
  plan: ExplainPlan,
  { pulls, parts, splits = [], nodeCount, before = [], name = 'subquery' }: Sent,
  tables: readonly Pick<PulledTable, 'byteLength' | 'asked'>[],
  execution: Execution,
  context: StatementContext,
): Promise<readonly Subplan[]> {
  const keys = keysOf(execution.text, execution.parameters)
  const options = { resultFormats: [], maxRows: 0, access: 'read' } as const
  const subplans: Subplan[] = [...before]
  const all = [...pulls, ...parts.map(({ scatter }) => scatter)]
  for (const [index, planned] of all.entries()) {
    const asked = tables[index]?.asked
    const rows = asked?.rows ?? planned
    const request = await scatterRequest(
      rows,
      asked?.execution ?? execution,
      context,
      keys,
      options,
    )
    const shardCount = rows.table.shards.length
    const { job, actual } = await explainTasks(
      plan,
      { request, tier: 'scatter', shardCount },
      context,
    )
    subplans.push({
      name: `1_${before.length + index + 1}`,
      relation:
        index < pulls.length
          ? `${rows.table.schema}.${rows.table.name}`
          : `${name}_${index - pulls.length + 1}`,
      bytes: plan.analyzes ? tables[index]?.byteLength : undefined,
      nodeCount,
      splitBy: splits[index]?.distributionColumn.name,
      scan: { provider: 'Citus Adaptive', job: asked ? withoutKeys(job) : job, actual },
    })
  }
  return subplans
}

function partName(index: number): string {
  return `subquery_${index + 1}`
}

const LONG_ARRAY = /'\{[^'}]{200,}\}'/g

/** Thousands of values would hide the plan. */
function withoutKeys(job: Job): Job {
  const tasks = job.tasks.map((task) => {
    const plan = reworded(task.plan, (text) => text.replaceAll(LONG_ARRAY, "'{...}'"))
    return { ...task, plan }
  })
  return { ...job, tasks }
}

/** Temporary tables have random names: nothing else in a plan looks like them. */
export function withUserNames(
  plan: ServerPlan,
  { pulls }: Pick<PulledPlan, 'pulls'>,
  tables: readonly Pick<PulledTable, 'name'>[],
): ServerPlan {
  return tables.reduce((renamed, { name }, index) => {
    const part = { schema: 'pg_temp', name: partName(index - pulls.length) }
    const { schema, name: shown } = pulls[index]?.table ?? part
    return withName(renamed, name.slice(name.indexOf('.') + 1), schema, shown)
  }, plan)
}

export function withName(
  plan: ServerPlan,
  name: string,
  schema: string,
  shown: string,
): ServerPlan {
  const isPlain = plan.kind === 'tree'
  const [ownSchema, own] = isPlain
    ? [schema, shown]
    : [quotedIfNeeded(schema), quotedIfNeeded(shown)]
  const qualified = new RegExp(`(?:pg_temp(?:_\\d+)?|pgloom_scratch)\\.${name}(?:_s\\d+)?`, 'g')
  // as Postgres doesn't repeat a name as its own alias
  const repeated = new RegExp(`( on (?:\\S+\\.)?${escaped(own)}) ${escaped(own)}(?![\\w$])`, 'g')
  return reworded(plan, (text) =>
    text
      .replaceAll(qualified, () => `${ownSchema}.${own}`)
      .replaceAll(new RegExp(`${name}(?:_s\\d+)?`, 'g'), () => own)
      .replaceAll(repeated, '$1'),
  )
}

function escaped(name: string): string {
  return name.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
}

function quotedIfNeeded(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteIdentifier(name)
}

/** The INSERT's plan on the coordinator, into a table of the target's shape. */
export async function explainThroughScratch(
  plan: ExplainPlan,
  insert: InsertThroughScratchPlan,
  execution: Execution,
  context: StatementContext,
): Promise<DistributedScan> {
  if (insert.upsert !== undefined) return explainUpsert(plan, insert, execution, context)
  // what is measured are servers' own plans: with ANALYZE rows take the way on which there is one of the INSERT, too
  const repartition = plan.analyzes ? undefined : await usableRepartition(insert, context)
  if (repartition !== undefined) return explainRepartition(plan, repartition, execution, context)
  let subplans: readonly Subplan[] = []
  let child: ServerPlan = { kind: 'text', lines: [] }
  const beganMs = performance.now()
  let rows = 0
  await throughScratch(insert.table, context, async (coordinator, scratch) => {
    const filled = await explainFilling(plan, insert, scratch, coordinator, { execution, context })
    subplans = filled.subplans
    child = filled.child
    if (plan.analyzes) rows = await countRows(coordinator, scratch)
    return `INSERT 0 ${rows}`
  })
  return {
    provider: 'Citus INSERT ... SELECT',
    method: 'pull to coordinator',
    subplans,
    child,
    actual: plan.analyzes ? { milliseconds: performance.now() - beganMs, rows: 0 } : undefined,
  }
}

/** What the coordinator makes of it in a scratch table; the shards' own ON CONFLICT has no part in the plan. */
function explainUpsert(
  plan: ExplainPlan,
  insert: InsertThroughScratchPlan,
  execution: Execution,
  context: StatementContext,
): Promise<DistributedScan> {
  const { table, upsert } = insert
  const beganMs = performance.now()
  return context.atomically(async () => {
    const { nodeId } = coordinatorOf(context.catalog)
    const coordinator = await context.connection(nodeId, 'write')
    const parameters = await withInferredTypes(coordinator, execution.text, execution.parameters)
    const typed = { ...execution, parameters, resultFormats: [], sendsRowDescription: false }
    const scratch = await createScratchTable(coordinator, table)
    const world = { execution: typed, context: withClient(context, new NoticesOnly(context)) }
    const filled = await explainFilling(plan, insert, scratch, coordinator, world)
    if (plan.analyzes && upsert !== undefined) {
      await upsertRows({ upsert, scratch, coordinator, ...world }, table)
    }
    await dropScratchTable(coordinator, scratch)
    const milliseconds = performance.now() - beganMs
    return {
      provider: 'Citus INSERT ... SELECT',
      method: 'pull to coordinator',
      ...filled,
      actual: plan.analyzes ? { milliseconds, rows: 0 } : undefined,
    }
  })
}

type ExplainedWorld = { readonly execution: Execution; readonly context: StatementContext }

async function explainFilling(
  plan: ExplainPlan,
  insert: InsertThroughScratchPlan,
  scratch: ScratchTable,
  coordinator: BackendConnection,
  { execution, context }: ExplainedWorld,
): Promise<{ readonly subplans: readonly Subplan[]; readonly child: ServerPlan }> {
  const { source, runsCode } = insert
  if (runsCode) context.taint(coordinator)
  const run = { execution, context, isEmpty: !plan.analyzes }
  const pulled = source === undefined ? [] : await pullInto(source, coordinator, run)
  const subplans =
    source === undefined ? [] : await explainSubplans(plan, source, pulled, execution, context)
  const own = await explainInsert(plan, insert, pulled, scratch, coordinator, run)
  const child = withUserNames(own, source ?? { pulls: [] }, pulled)
  if (pulled.length > 0) await dropPulled(pulled, coordinator)
  return { subplans, child }
}

/** Each shard's part of the SELECT. */
async function explainRepartition(
  plan: ExplainPlan,
  repartition: Repartition,
  execution: Execution,
  context: StatementContext,
): Promise<DistributedScan> {
  const request = await repartitionRequest(repartition, execution, context)
  const shardCount = repartition.rows.table.shards.length
  const tasks = { request, tier: 'scatter', shardCount } as const
  const source = {
    provider: 'Citus Adaptive',
    ...(await explainTasks(plan, tasks, context)),
  } as const
  return { provider: 'Citus INSERT ... SELECT', method: 'repartition', source, actual: undefined }
}

async function explainInsert(
  plan: ExplainPlan,
  { source, target, targetSuffix, table, upsert }: InsertThroughScratchPlan,
  pulled: readonly PulledTable[],
  scratch: ScratchTable,
  coordinator: BackendConnection,
  { execution, context }: { readonly execution: Execution; readonly context: StatementContext },
): Promise<ServerPlan> {
  const names = source === undefined ? [] : pulledNames(source, pulled)
  const { length: end } = execution.text
  const start = upsert?.start ?? end
  const cut = upsert === undefined ? [] : [{ start, end, text: '' }]
  const others = [...names.filter((name) => name.start < start), ...cut]
  const positions = new PositionMap()
  const retargeted = retarget(execution, target, scratch, targetSuffix, positions, others)
  const text = withHead(plan, retargeted, positions)
  const mending = { positions, aliases: [scratch.alias] }
  const own = await explainOn(coordinator, plan, text, execution.parameters, context, mending)
  return withName(own, scratch.alias.name, table.schema, table.name)
}

async function countRows(coordinator: BackendConnection, scratch: ScratchTable): Promise<number> {
  const { rows } = await query(
    coordinator,
    `SELECT pg_catalog.count(*) FROM ${scratch.qualifiedName}`,
  )
  return Number(rows[0]?.[0])
}
