import type { ExplainPlan } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import type { MirroredPlan } from '../../planner/write/write-plans.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { PositionMap } from '../relay/position-map.ts'
import { mirrorAliases } from '../write/mirror/mirror.ts'
import { overMirrors } from '../write/mirror/run-mirrored.ts'
import { type MirrorTables, mirroredText } from '../write/mirror/statement-mirrors.ts'
import type { DistributedScan, ServerPlan } from './explain-plan.ts'
import { explainSubplans, withName, withUserNames } from './explain-pulled.ts'
import { explainOn, withHead } from './explain-server.ts'

/** The statement's plan over the mirrors of the tables that it changes; ANALYZE changes them, too. */
export async function explainMirrored(
  plan: ExplainPlan,
  mirrored: MirroredPlan,
  execution: Execution,
  context: StatementContext,
): Promise<DistributedScan> {
  const { source, targets } = mirrored
  // it may have to be tried more than once
  const isTried = targets.some(({ conflicts }) => conflicts !== undefined)
  if (plan.analyzes && isTried) throw refusalError({ kind: 'refusal', id: 'explain' })
  const beganMs = performance.now()
  const run = { execution, context, isEmpty: !plan.analyzes }
  const shown = await overMirrors(mirrored, run, async (tables, coordinator) => {
    const { mirrors, pulled } = tables
    const subplans = await explainSubplans(plan, source, pulled, execution, context)
    const positions = new PositionMap()
    const text = withHead(plan, mirroredText(mirrored, tables, execution, positions), positions)
    const mending = { positions, aliases: mirrors.flatMap(mirrorAliases) }
    const own = await explainOn(coordinator, plan, text, execution.parameters, context, mending)
    const task = withOwnNames(withUserNames(own, source, pulled), tables)
    return { subplans, task: { nodeId: coordinator.node.nodeId, plan: task } }
  })
  const milliseconds = performance.now() - beganMs
  return {
    provider: 'Citus Adaptive',
    subplans: shown.subplans,
    job: { tier: 'pull', taskCount: 1, shardCount: undefined, tasks: [shown.task] },
    actual: plan.analyzes ? { milliseconds, rows: 0 } : undefined,
  }
}

/** Rows that were there lie in a table of their own, below the one that the statement names. */
function withOwnNames(plan: ServerPlan, { mirrors }: MirrorTables): ServerPlan {
  return mirrors.reduce((renamed, { target, scratch, rows }) => {
    const { schema, name } = target.table
    const named = [scratch.alias.name, ...(rows === undefined ? [] : [rows.alias.name])]
    const whole = named.reduce((shown, own) => withName(shown, own, schema, name), renamed)
    const aliases = rows?.view?.aliases ?? []
    return aliases.reduce((shown, own) => withName(shown, own.name, schema, own.shownName), whole)
  }, plan)
}
