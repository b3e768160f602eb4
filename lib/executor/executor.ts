import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { InsertRowsPlan, LocalPlan, ModifyPlan, Plan, SelectPlan } from '../planner/plan.ts'
import { refusalError } from '../planner/refusals.ts'
import { runCopyFrom } from './copy/copy-from.ts'
import { runCopyQuery } from './copy/copy-query.ts'
import { copyTable } from './copy/copy-to.ts'
import { currentShard, runDeclareCursor } from './declare-cursor.ts'
import { keysOf } from './execution-keys.ts'
import { runExplain } from './explain/explain.ts'
import { runFunctionQuery } from './function-query.ts'
import { writeFunctionResult } from './function-rows.ts'
import { lockTables } from './lock-tables.ts'
import { runLockedSelect } from './locked-select.ts'
import type { ClusterCommands, CommandTag, Execution, StatementContext } from './ports.ts'
import { runPulledOrBroadcast } from './pull/broadcast.ts'
import { runMaterialize } from './pull/materialize.ts'
import { placed } from './relay/error-place.ts'
import { PositionMap } from './relay/position-map.ts'
import { relayOn, replacedText, unchangedPositions } from './relay/relay-on.ts'
import { type KeyReader, resolveInsert, resolvePins } from './route.ts'
import { routedShard, runRouted } from './routed.ts'
import { multiPlan } from './scatter/multi-plan.ts'
import { runScatterSelect } from './select.ts'
import { runChosenModify } from './write/chosen-modify.ts'
import { hasUnknownKey, runInsertRows, unknownKey } from './write/insert-rows.ts'
import { runMirrored } from './write/mirror/run-mirrored.ts'
import { runScatterModify } from './write/modify.ts'
import { runReferenceWrite } from './write/reference-write.ts'
import { runInsertThroughScratch } from './write/scratch-insert.ts'
import { runUniqueWrite } from './write/unique/unique-write.ts'

/**
 * Runs plans that are not simply relayed by the session (it may give us those too). Shared by all sessions; what
 * belongs to one run is in its arguments.
 */
export class Executor {
  readonly #commands: ClusterCommands

  constructor(commands: ClusterCommands) {
    this.#commands = commands
  }

  /**
   * Writes RowDescription (if asked for), rows and notices to the client; CommandComplete, with the tag it resolves
   * to, is the caller's. Throws a RouterError when nothing of the statement has taken effect beyond what the caller's
   * transaction takes back.
   */
  async run(plan: Plan, execution: Execution, context: StatementContext): Promise<CommandTag> {
    context.signal.throwIfAborted()
    try {
      return await this.#run(plan, execution, context)
    } catch (error) {
      throw await placed(error, plan, execution, context)
    }
  }

  async #run(plan: Plan, execution: Execution, context: StatementContext): Promise<CommandTag> {
    switch (plan.kind) {
      case 'local':
        return this.#local(plan, execution, context)
      case 'select':
        return select(plan, execution, context)
      case 'pulled':
        return consistently(execution, context, (own) =>
          runPulledOrBroadcast(plan, { execution: own, context, declaresCursor: false }),
        )
      case 'modify':
        return modify(plan, execution, context)
      case 'insert-rows':
        return insertRows(plan, execution, context)
      case 'insert-through-scratch':
        return runInsertThroughScratch(plan, execution, context)
      case 'mirrored':
        return runMirrored(plan, execution, context)
      case 'unique-write':
        return runUniqueWrite(plan, context, (own) => this.run(plan.plan, execution, own))
      case 'reference-write':
        return runReferenceWrite(plan, execution, context)
      case 'copy':
        if (plan.direction === 'from') return runCopyFrom(plan, execution, context)
        if (plan.table.kind === 'distributed') {
          const { table } = plan
          return consistently(execution, context, (own) => copyTable(plan, table, own, context))
        }
        return relayOn(
          coordinatorId(context),
          'read',
          execution,
          unchangedPositions(execution),
          context,
        )
      case 'copy-query':
        return consistently(execution, context, (own) => runCopyQuery(plan, own, context))
      case 'materialize':
        return runMaterialize(plan, execution, context, (fill, text) =>
          this.run(fill, { ...execution, text, sendsRowDescription: false }, context),
        )
      case 'ddl':
        return this.#commands.runDdl(plan, context, execution)
      case 'function': {
        const result = await this.#commands.callFunction(plan, context, execution)
        return writeFunctionResult(result, execution, context)
      }
      case 'function-query':
        if (plan.refreshesSizes) await this.#commands.refreshSizes(context)
        return runFunctionQuery(plan, execution, context, this.#commands)
      case 'lock':
        return lockTables(plan, execution, context)
      case 'explain':
        return runExplain(plan, execution, context)
      case 'declare-cursor':
        if (!context.isInTransaction && !plan.isHeld)
          return runDeclareCursor(plan, execution, context)
        return consistently(execution, context, (own) => runDeclareCursor(plan, own, context))
      case 'refusal':
        throw refusalError(plan)
      case 'session':
        throw new Error('statements about the session are carried out by the session')
    }
  }

  async #local(plan: LocalPlan, execution: Execution, context: StatementContext) {
    if (plan.refreshesSizes) await this.#commands.refreshSizes(context)
    const positions = new PositionMap()
    const text = replacedText(execution, plan.replacements, positions)
    const access = plan.isReadOnly ? 'read' : 'write'
    const own = { ...execution, text }
    return relayOn(coordinatorId(context), access, own, positions, context)
  }
}

function coordinatorId({ catalog }: StatementContext): number {
  return coordinatorOf(catalog).nodeId
}

async function select(
  plan: SelectPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { routed } = plan
  const keys = keysOf(execution.text, execution.parameters, execution.keepsStatement !== undefined)
  const shard = routedShard(routed, resolvePins(routed.pins, keys))
  if (shard !== undefined) return runRouted(routed, shard, execution, context)
  const scatter = multiPlan(plan)
  if (scatter.kind === 'refusal') throw refusalError(scatter)
  return consistently(execution, context, (own) => selectMulti(scatter, own, context, keys))
}

function selectMulti(
  scatter: Exclude<ReturnType<SelectPlan['multi']>, { kind: 'refusal' }>,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  if (scatter.kind === 'pulled') {
    context.noteTier('pull')
    return runPulledOrBroadcast(scatter, { execution, context, declaresCursor: false })
  }
  if (scatter.kind === 'mirrored') {
    context.noteTier('pull')
    return runMirrored(scatter, execution, context)
  }
  if (scatter.kind === 'locked-select') return runLockedSelect(scatter, execution, context, keys)
  if (scatter.combine !== undefined) context.noteTier('combine')
  return runScatterSelect(scatter, execution, context, keys)
}

/** What reads several shards, as of one moment where the session wants that; servers then keep no statement of it. */
function consistently(
  execution: Execution,
  context: StatementContext,
  work: (execution: Execution) => Promise<CommandTag>,
): Promise<CommandTag> {
  const { consistently: atOneMoment } = context
  if (atOneMoment === undefined) return work(execution)
  return atOneMoment(() => work({ ...execution, keepsStatement: undefined }))
}

async function modify(
  plan: ModifyPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { routed, multi } = plan
  const keys = keysOf(execution.text, execution.parameters)
  const shard =
    currentShard(plan, context.cursors) ?? routedShard(routed, resolvePins(routed.pins, keys))
  if (shard !== undefined) return runRouted(routed, shard, execution, context)
  const scatter = multi()
  if (scatter.kind === 'refusal') throw refusalError(scatter)
  if (scatter.kind === 'insert-through-scratch') {
    context.noteTier('pull')
    return runInsertThroughScratch(scatter, execution, context)
  }
  if (scatter.kind === 'mirrored') {
    context.noteTier('pull')
    return runMirrored(scatter, execution, context)
  }
  return scatter.kind === 'chosen-modify'
    ? runChosenModify(scatter, execution, context, keys)
    : runScatterModify(scatter, execution, context, keys)
}

async function insertRows(
  plan: InsertRowsPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const keys = keysOf(execution.text, execution.parameters)
  const shard = routedShard(plan.routed, resolveInsert(plan, keys))
  if (shard !== undefined) return runRouted(plan.routed, shard, execution, context)
  if (plan.rows.length < 2 || hasUnknownKey(plan, keys)) {
    const evaluated = plan.evaluated()
    if (evaluated.kind === 'refusal') throw unknownKey(plan)
    context.noteTier('pull')
    return evaluated.kind === 'mirrored'
      ? runMirrored(evaluated, execution, context)
      : runInsertThroughScratch(evaluated, execution, context)
  }
  return runInsertRows(plan, execution, context, keys)
}
