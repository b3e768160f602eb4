import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { MirroredPlan } from '../../../planner/write/write-plans.ts'
import type { CommandTag, Execution, StatementContext } from '../../ports.ts'
import { dropPulled } from '../../pull/pulled.ts'
import { notInOneStep } from '../../scatter/one-moment.ts'
import { applyChanges, findAllChanges } from './apply-all.ts'
import { runTries } from './conflict-tries.ts'
import { dropMirror } from './mirror.ts'
import { evaluate, type MirrorRun, type MirrorTables, makeMirrors } from './statement-mirrors.ts'

/**
 * A write over mirrors of the tables that it changes. The rows that it may concern are locked first and read as they then are;
 * what it only reads is read after that. So nothing that it changes has changed since.
 */
export function runMirrored(
  plan: MirroredPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  if (context.moment !== undefined) throw notInOneStep()
  const run = { execution, context, isEmpty: false }
  if (plan.targets.some(({ conflicts }) => conflicts !== undefined)) {
    return context.atomically(() => runTries(plan, run))
  }
  return overMirrors(plan, run, (tables, coordinator) => evaluate(plan, tables, coordinator, run))
}

/** `use` runs the statement over the mirrors, and does nothing else. */
export function overMirrors<T>(
  plan: MirroredPlan,
  run: MirrorRun,
  use: (tables: MirrorTables, coordinator: BackendConnection) => Promise<T>,
): Promise<T> {
  const { context, isEmpty } = run
  return context.atomically(async () => {
    const { nodeId } = coordinatorOf(context.catalog)
    const coordinator = await context.connection(nodeId, 'write')
    const { mirrors, pulled } = await makeMirrors(plan, run, coordinator)
    const result = await use({ mirrors, pulled }, coordinator)
    if (pulled.length > 0) await dropPulled(pulled, coordinator)
    if (!isEmpty) {
      const found = await findAllChanges(coordinator, mirrors)
      await applyChanges(plan, found, coordinator, context)
    }
    for (const mirror of mirrors) await dropMirror(coordinator, mirror)
    return result
  })
}
