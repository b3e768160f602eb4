import type { Shard } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { LockedSelect } from '../../planner/locked-plans.ts'
import type {
  ExplainPlan,
  InsertRowsPlan,
  ModifyPlan,
  PulledPlan,
  Replacement,
  RoutedStatement,
  ScatterSelect,
  SelectPlan,
} from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import type { ChosenModify, ScatterModify } from '../../planner/write/write-plans.ts'
import { currentShard } from '../declare-cursor.ts'
import { keysOf } from '../execution-keys.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { type BroadcastUse, overBroadcast } from '../pull/broadcast.ts'
import { overPulled, type PulledRun } from '../pull/pulled.ts'
import { PositionMap } from '../relay/position-map.ts'
import { relayOn, replacedText } from '../relay/relay-on.ts'
import { type KeyReader, resolveInsert, resolvePins } from '../route.ts'
import { routedShard } from '../routed.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { ShardStatement } from '../shard-statement.ts'
import { insertRequest, rowsByShard, unknownKey } from '../write/insert-rows.ts'
import { type ExplainRun, exactPlan, explainCombine, renamedTasks } from './explain-combine.ts'
import { explainChoice, explainLocks } from './explain-locked.ts'
import { explainMirrored } from './explain-mirrored.ts'
import { type Explained, writeExplained } from './explain-output.ts'
import { actualRows, type DistributedScan, type ServerPlan } from './explain-plan.ts'
import {
  explainPulledOver,
  explainSubplans,
  explainThroughScratch,
  withUserNames,
} from './explain-pulled.ts'
import { explainReferenceWrite } from './explain-reference.ts'
import { explainOn, withHead } from './explain-server.ts'
import { explainTasks } from './explain-tasks.ts'

/**
 * EXPLAIN in the shape in which Citus shows it. With ANALYZE the statement runs as it would by itself, in a transaction
 * over the same nodes; where the shards' rows have to be combined, the shards are asked a second time for them.
 */
export async function runExplain(
  plan: ExplainPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { statement } = plan
  switch (statement.kind) {
    case 'local':
      return runHere(statement.replacements, plan.analyzes, execution, context)
    case 'refusal':
      throw refusalError(statement)
    case 'select':
    case 'modify':
    case 'insert-rows':
      return explainDistributed(plan, statement, execution, context)
    case 'pulled': {
      const keys = keysOf(execution.text, execution.parameters)
      return explainPulled(plan, statement, 0, { execution, context, keys })
    }
    case 'insert-through-scratch':
      return show(
        plan,
        () => explainThroughScratch(plan, statement, execution, context),
        execution,
        context,
      )
    case 'mirrored':
      return show(
        plan,
        () => explainMirrored(plan, statement, execution, context),
        execution,
        context,
      )
    case 'reference-write':
      return show(
        plan,
        () => explainReferenceWrite(plan, statement, execution, context),
        execution,
        context,
      )
    default:
      throw refusalError({ kind: 'refusal', id: 'explain' })
  }
}

async function show(
  plan: ExplainPlan,
  explain: () => Promise<DistributedScan>,
  execution: Execution,
  context: StatementContext,
  planningMs = 0,
): Promise<CommandTag> {
  const beganMs = performance.now()
  const scan = await explain()
  const executionMs = performance.now() - beganMs
  return writeExplained(plan, { scan, planningMs, executionMs }, execution, context)
}

function runHere(
  replacements: readonly Replacement[],
  writes: boolean,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { nodeId } = coordinatorOf(context.catalog)
  const positions = new PositionMap()
  const text = replacedText(execution, replacements, positions)
  const access = writes ? 'write' : 'read'
  return relayOn(nodeId, access, { ...execution, text }, positions, context)
}

/** On one shard or on several. */
async function explainDistributed(
  plan: ExplainPlan,
  statement: SelectPlan | ModifyPlan | InsertRowsPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const keys = keysOf(execution.text, execution.parameters)
  const run = { execution, context, keys }
  const shard = shardOf(statement, keys, context)
  if (shard !== undefined) {
    const { routed } = statement
    return show(plan, () => explainRouted(plan, routed, shard, run), execution, context)
  }
  if (statement.kind === 'insert-rows') {
    if (statement.rows.length < 2) throw unknownKey(statement)
    return show(plan, () => explainInsertRows(plan, statement, run), execution, context)
  }
  const beganMs = performance.now()
  const multi = statement.multi()
  const planningMs = performance.now() - beganMs
  return explainMulti(plan, multi, planningMs, run)
}

function shardOf(
  statement: SelectPlan | ModifyPlan | InsertRowsPlan,
  keys: KeyReader,
  { cursors }: StatementContext,
): Shard | undefined {
  const { routed } = statement
  const current = statement.kind === 'modify' ? currentShard(statement, cursors) : undefined
  if (current !== undefined) return current
  const route =
    statement.kind === 'insert-rows'
      ? resolveInsert(statement, keys)
      : resolvePins(routed.pins, keys)
  return routedShard(routed, route)
}

async function explainMulti(
  plan: ExplainPlan,
  multi: ReturnType<(SelectPlan | ModifyPlan)['multi']>,
  planningMs: number,
  run: ExplainRun,
): Promise<CommandTag> {
  const { execution, context } = run
  switch (multi.kind) {
    case 'refusal':
      throw refusalError(multi)
    case 'pulled':
      return explainPulled(plan, multi, planningMs, run)
    case 'insert-through-scratch':
      return show(
        plan,
        () => explainThroughScratch(plan, multi, execution, context),
        execution,
        context,
      )
    case 'scatter-modify':
      return show(plan, () => explainModify(plan, multi, run), execution, context)
    case 'chosen-modify':
      return show(plan, () => explainChosen(plan, multi, run), execution, context)
    case 'mirrored':
      return show(plan, () => explainMirrored(plan, multi, execution, context), execution, context)
    case 'locked-select':
      return explainLocked(plan, multi, planningMs, run)
    case 'scatter':
      return explainScatter(plan, multi, planningMs, run)
  }
}

function explainLocked(
  plan: ExplainPlan,
  locked: LockedSelect,
  planningMs: number,
  run: ExplainRun,
): Promise<CommandTag> {
  const explain = async (): Promise<CommandTag> => {
    const locks = await explainLocks(plan, locked, run)
    return explainScatter(plan, locked.chosen, planningMs, { ...run, ...locks })
  }
  return plan.analyzes ? run.context.atomically(explain) : explain()
}

/** In the transaction in which it would run. */
async function explainPulled(
  plan: ExplainPlan,
  pulled: PulledPlan,
  planningMs: number,
  run: ExplainRun,
): Promise<CommandTag> {
  const { execution, context } = run
  const beganMs = performance.now()
  const scanned = async (explain: () => Promise<DistributedScan>): Promise<Explained> => {
    const scan = await explain()
    return { scan, planningMs: 0, executionMs: performance.now() - beganMs }
  }
  const explained = await overBroadcast(
    pulled,
    pulledRun(plan, run),
    explainingUse(plan, pulled, run, scanned),
  )
  return writeExplained(plan, { ...explained, planningMs }, execution, context)
}

function pulledRun({ analyzes }: ExplainPlan, { execution, context }: ExplainRun): PulledRun {
  return { execution, context, declaresCursor: false, isEmpty: !analyzes }
}

type Scanned = (explain: () => Promise<DistributedScan>) => Promise<Explained>

function explainingUse(
  plan: ExplainPlan,
  pulled: PulledPlan,
  run: ExplainRun,
  scanned: Scanned,
): BroadcastUse<Explained> {
  const { subplans: before = [] } = run
  return {
    pulled: (tables, connection) =>
      scanned(() => explainPulledOver(plan, pulled, tables, connection, run)),
    broadcast: async (broadcast, where) => {
      const { choice, tables, nodeCount } = broadcast
      const sent = { ...choice, nodeCount, before }
      const subplans = await explainSubplans(plan, sent, tables, run.execution, where)
      const renamed = (shown: ServerPlan) => withUserNames(shown, choice, tables)
      const own = { ...run, context: where, subplans, renamed }
      return explainOver(plan, broadcast.scatter, scanned, own, run)
    },
    rest: async (rest, over) => {
      const sent = { pulls: [], parts: rest.parts, before, name: 'value' }
      const subplans = await explainSubplans(plan, sent, [], run.execution, run.context)
      const { execution, plan: left } = rest
      const keys = keysOf(execution.text, execution.parameters)
      const own = { ...run, execution, keys, subplans }
      const whole = { ...plan, statementText: { start: 0, end: execution.text.length } }
      return left.kind === 'pulled'
        ? over(left, pulledRun(plan, own), explainingUse(whole, left, own, scanned))
        : explainOver(whole, left, scanned, own)
    },
  }
}

/** Once what it needs is where it needs it. */
async function explainOver(
  plan: ExplainPlan,
  scatter: ScatterSelect,
  scanned: Scanned,
  run: ExplainRun,
  pulling = run,
): Promise<Explained> {
  const exact = await exactPlan(scatter, run)
  if (exact.kind === 'pulled') {
    return overPulled(exact, pulledRun(plan, pulling), (tables, connection) =>
      scanned(() => explainPulledOver(plan, exact, tables, connection, pulling)),
    )
  }
  const { combine: query } = exact
  if (query === undefined) return scanned(() => explainTasksOf(plan, exact, 'read', run))
  return { ...(await explainCombine(plan, exact, query, run)), planningMs: 0 }
}

async function explainScatter(
  plan: ExplainPlan,
  scatter: ScatterSelect,
  planningMs: number,
  run: ExplainRun,
): Promise<CommandTag> {
  const { execution, context } = run
  const exact = await exactPlan(scatter, run)
  if (exact.kind === 'pulled') return explainMulti(plan, exact, planningMs, run)
  const { combine: query } = exact
  if (query === undefined) {
    return show(plan, () => explainTasksOf(plan, exact, 'read', run), execution, context)
  }
  const explained = await explainCombine(plan, exact, query, run)
  return writeExplained(plan, { ...explained, planningMs }, execution, context)
}

function explainModify(
  plan: ExplainPlan,
  multi: ScatterModify,
  run: ExplainRun,
): Promise<DistributedScan> {
  if (!plan.analyzes) return explainTasksOf(plan, multi, 'read', run)
  return run.context.atomically(() => explainTasksOf(plan, multi, 'write', run))
}

/** Which rows are chosen, and what is done with them. */
function explainChosen(
  plan: ExplainPlan,
  multi: ChosenModify,
  run: ExplainRun,
): Promise<DistributedScan> {
  const explain = async (): Promise<DistributedScan> => {
    const chosen = await explainChoice(plan, multi, run)
    return explainTasksOf(plan, multi.modify, plan.analyzes ? 'write' : 'read', {
      ...run,
      ...chosen,
    })
  }
  return plan.analyzes ? run.context.atomically(explain) : explain()
}

async function explainTasksOf(
  plan: ExplainPlan,
  multi: ScatterSelect | ScatterModify,
  access: 'read' | 'write',
  run: ExplainRun,
): Promise<DistributedScan> {
  const { execution, context, keys, subplans = [] } = run
  const options = { resultFormats: [], maxRows: 0, access }
  const request = await scatterRequest(multi, execution, context, keys, options)
  const shardCount = multi.table.shards.length
  const { job, actual } = await explainTasks(
    plan,
    { request, tier: 'scatter', shardCount },
    context,
  )
  return { provider: 'Citus Adaptive', subplans, job: renamedTasks(job, run), actual }
}

async function explainInsertRows(
  plan: ExplainPlan,
  insert: InsertRowsPlan,
  { execution, context, keys }: ExplainRun,
): Promise<DistributedScan> {
  const rowsOf = rowsByShard(insert, keys)
  const { start } = plan.statementText
  const explain = async (): Promise<DistributedScan> => {
    const request = await insertRequest(insert, rowsOf, execution, context, start)
    const access = plan.analyzes ? 'write' : 'read'
    const tasks = {
      request: { ...request, access },
      tier: 'scatter',
      shardCount: insert.table.shards.length,
    } as const
    return { provider: 'Citus Adaptive', ...(await explainTasks(plan, tasks, context)) }
  }
  return plan.analyzes ? context.atomically(explain) : explain()
}

/** The EXPLAIN as written, spliced for the shard. */
async function explainRouted(
  plan: ExplainPlan,
  routed: RoutedStatement,
  shard: Shard,
  { execution, context }: ExplainRun,
): Promise<DistributedScan> {
  const positions = new PositionMap()
  const statement = new ShardStatement(execution.text, routed.splices)
  const spliced = statement.textFor(shard.index, positions, execution.positionBase)
  const text = withHead(plan, spliced, positions)
  const access = plan.analyzes && !routed.isReadOnly ? 'write' : 'read'
  const connection = await context.connection(shard.nodeId, access)
  const beganMs = performance.now()
  const { parameters } = execution
  const own = await explainOn(connection, plan, text, parameters, context, { positions })
  const milliseconds = performance.now() - beganMs
  const shardCount = routed.pins[0]?.table.shards.length
  const tasks = [{ nodeId: shard.nodeId, plan: own }]
  return {
    provider: 'Citus Adaptive',
    job: { tier: 'router', taskCount: 1, shardCount, tasks },
    actual: plan.analyzes ? { milliseconds, rows: actualRows(own) } : undefined,
  }
}
