import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { ExplainPlan } from '../../planner/plan.ts'
import type { ReferenceWritePlan } from '../../planner/write/write-plans.ts'
import type { Execution, StatementContext } from '../ports.ts'
import type { PositionMap } from '../relay/position-map.ts'
import { unchangedPositions } from '../relay/relay-on.ts'
import { withReferenceWrites } from '../write/reference-guard.ts'
import { type DistributedScan, modifiedRows, type ServerPlan, type Task } from './explain-plan.ts'
import { explainOn, withHead } from './explain-server.ts'

/** With ANALYZE every copy is written to, as without EXPLAIN; the coordinator's plan is shown. */
export async function explainReferenceWrite(
  plan: ExplainPlan,
  { table }: ReferenceWritePlan,
  execution: Execution,
  context: StatementContext,
): Promise<DistributedScan> {
  const beganMs = performance.now()
  const own = plan.analyzes
    ? await context.atomically(() => analyzeEverywhere(plan, table.name, execution, context))
    : await explainThere(coordinatorOf(context.catalog).nodeId, plan, execution, context)
  const milliseconds = performance.now() - beganMs
  const task: Task = { nodeId: coordinatorOf(context.catalog).nodeId, plan: own }
  return {
    provider: 'Citus Adaptive',
    job: { tier: 'reference', taskCount: 1, shardCount: undefined, tasks: [task] },
    actual: plan.analyzes ? { milliseconds, rows: 0 } : undefined,
  }
}

/** On the coordinator first, as runReferenceWrite() does. */
async function analyzeEverywhere(
  plan: ExplainPlan,
  tableName: string,
  execution: Execution,
  context: StatementContext,
): Promise<ServerPlan> {
  const [coordinator, ...others] = context.catalog.nodes
  if (coordinator === undefined) throw new Error('the catalog has no coordinator')
  const own = await explainThere(coordinator.nodeId, plan, execution, context)
  for (const { nodeId } of others) {
    const copy = await explainThere(nodeId, plan, execution, context)
    if (modifiedRows(copy) !== modifiedRows(own)) throw differ(tableName)
  }
  return own
}

async function explainThere(
  nodeId: number,
  plan: ExplainPlan,
  execution: Execution,
  context: StatementContext,
): Promise<ServerPlan> {
  const connection = await context.connection(nodeId, plan.analyzes ? 'write' : 'read')
  const positions: PositionMap = unchangedPositions(execution)
  const text = withHead(plan, execution.text, positions)
  const explain = (): Promise<ServerPlan> =>
    explainOn(connection, plan, text, execution.parameters, context, { positions })
  if (!plan.analyzes) return explain()
  return withReferenceWrites(connection, explain, context.catalog.nodes.length)
}

function differ(name: string): RouterError {
  return new RouterError(
    SqlState.internalError,
    `the copies of reference table "${name}" differ: the statement found other rows on another node`,
    { hint: 'Nothing was changed. Compare the copies of the table on the nodes.' },
  )
}
