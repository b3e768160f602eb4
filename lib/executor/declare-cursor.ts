import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Shard } from '../catalog/catalog.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { DeclareCursorPlan, ModifyPlan, PulledPlan } from '../planner/plan.ts'
import { refusalError } from '../planner/refusals.ts'
import { keysOf } from './execution-keys.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import { runPulled } from './pull/pulled.ts'
import { resolvePins } from './route.ts'
import { routedShard, runRouted } from './routed.ts'
import { combine } from './scatter/combine.ts'
import { plainRows } from './scatter/plain-rows.ts'
import type { SessionCursors } from './transaction/session-cursors.ts'

/**
 * A cursor is Postgres' own: over one shard on the shard's node, over more on the coordinator, where it reads the rows
 * gathered from the shards. Either way FETCH, MOVE and CLOSE are relayed to that node as they are.
 */
export async function runDeclareCursor(
  plan: DeclareCursorPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  checkCursorFree(context.cursors, plan.name)
  if (plan.isHeld) return context.atomically(() => declare(plan, execution, context))
  if (context.isInTransaction) return declare(plan, execution, context)
  throw new RouterError(
    SqlState.noActiveSqlTransaction,
    'DECLARE CURSOR can only be used in transaction blocks',
  )
}

export function checkCursorFree(cursors: SessionCursors, name: string): void {
  if (cursors.find(name) === undefined) return
  throw new RouterError(SqlState.duplicateCursor, `cursor "${name}" already exists`)
}

async function declare(
  plan: DeclareCursorPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { statement } = plan
  if (statement.kind === 'pulled') return declareOverPulled(plan, statement, execution, context)
  const { routed, multi } = statement
  const keys = keysOf(execution.text, execution.parameters)
  const shard = routedShard(routed, resolvePins(routed.pins, keys))
  const own = { ...execution, sendsRowDescription: false }
  const { nodeId } = shard ?? coordinatorOf(context.catalog)
  const cursor = { nodeId, isHeld: plan.isHeld, isReadOnly: routed.isReadOnly, shard }
  let tag: CommandTag
  if (shard !== undefined) {
    context.noteTier('router')
    tag = await runRouted(routed, shard, own, context)
  } else {
    const scatter = multi()
    if (scatter.kind === 'refusal') throw refusalError(scatter)
    if (scatter.kind === 'pulled') return declareOverPulled(plan, scatter, execution, context)
    if (scatter.kind === 'mirrored') throw refusalError({ kind: 'refusal', id: 'modifying-cte' })
    if (scatter.kind === 'locked-select' || scatter.locksRows)
      throw refusalError({ kind: 'refusal', id: 'row-locks' })
    const query = scatter.combine ?? plainRows(scatter)
    tag = await combine(scatter, query, { execution: own, context, keys, cursor: plan })
  }
  if (plan.isHeld) context.pin(nodeId, 'cursor with hold')
  context.cursors.declare(plan.name, cursor)
  return tag
}

async function declareOverPulled(
  { name, isHeld }: DeclareCursorPlan,
  pulled: PulledPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  if (pulled.pulls.some(({ locksRows }) => locksRows === true))
    throw refusalError({ kind: 'refusal', id: 'row-locks' })
  const own = { ...execution, sendsRowDescription: false }
  const tag = await runPulled(pulled, { execution: own, context, declaresCursor: true })
  const { nodeId } = coordinatorOf(context.catalog)
  if (isHeld) context.pin(nodeId, 'cursor with hold')
  const { isReadOnly } = pulled.local
  context.cursors.declare(name, { nodeId, isHeld, isReadOnly, shard: undefined })
  return tag
}

/** The shard in which the cursor of WHERE CURRENT OF stands; undefined: the statement has none. */
export function currentShard(
  { currentOf, routed }: ModifyPlan,
  cursors: SessionCursors,
): Shard | undefined {
  if (currentOf === undefined) return undefined
  const table = routed.pins[0]?.table
  const cursor = cursors.find(currentOf)
  if (cursor === undefined) {
    throw new RouterError(SqlState.invalidCursorName, `cursor "${currentOf}" does not exist`)
  }
  const { shard } = cursor
  const own = shard === undefined ? undefined : table?.shards[shard.index]
  if (own === undefined || own.nodeId !== shard?.nodeId || own.schema !== shard.schema) {
    throw refusalError({ kind: 'refusal', id: 'current-of' })
  }
  return own
}
