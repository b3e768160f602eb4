import type { BackendConnection } from '../../backend/backend-connection.ts'
import { type Catalog, type ClusterTable, oidKey } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { Replacement, TextRange } from '../../planner/plan.ts'
import type { InsertThroughScratchPlan } from '../../planner/write/write-plans.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import { withInferredTypes } from '../parameter-types.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { broadcastRows } from '../pull/broadcast-rows.ts'
import { dropPulled, pulledNames, pullInto } from '../pull/pulled.ts'
import { PositionMap } from '../relay/position-map.ts'
import { writeReplaced } from '../relay/splice-writer.ts'
import { relayedRows, waitFor } from '../scatter/relayed-rows.ts'
import { tagCount } from '../server-answer.ts'
import { sendStatements } from '../statement-request.ts'
import { distributeRows } from './distribute-rows.ts'
import { runRepartitioned } from './repartition/repartition.ts'
import {
  createScratchTable,
  dropScratchTable,
  lostRows,
  type ScratchTable,
} from './scratch-table.ts'
import { type UpsertRun, upsertIntoCopies, upsertIntoShards } from './upsert.ts'

/** INSERT whose keys only Postgres can tell: it runs into a scratch table, whose rows then go to the shards. */
export function runInsertThroughScratch(
  plan: InsertThroughScratchPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { upsert, table } = plan
  if (upsert === undefined) {
    return context.atomically(
      async () =>
        (await runRepartitioned(plan, execution, context)) ??
        (await throughScratch(table, context, (coordinator, scratch) =>
          evaluate(plan, scratch, coordinator, execution, context),
        )),
    )
  }
  return context.atomically(async () => {
    const { nodeId } = coordinatorOf(context.catalog)
    const coordinator = await context.connection(nodeId, 'write')
    const parameters = await withInferredTypes(coordinator, execution.text, execution.parameters)
    const typed = { ...execution, parameters }
    const scratch = await createScratchTable(coordinator, table)
    await evaluate(plan, scratch, coordinator, typed, context)
    const run = { upsert, scratch, coordinator, execution: typed, context }
    const tag = await upsertRows(run, table)
    await dropScratchTable(coordinator, scratch)
    return tag
  })
}

export function upsertRows(run: UpsertRun, table: ClusterTable): Promise<CommandTag> {
  return table.kind === 'distributed' ? upsertIntoShards(run, table) : upsertIntoCopies(run, table)
}

/** The client's statement into the scratch table, up to ON CONFLICT. */
async function evaluate(
  { source, target, targetSuffix, table, upsert, runsCode }: InsertThroughScratchPlan,
  scratch: ScratchTable,
  coordinator: BackendConnection,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  if (runsCode) context.taint(coordinator)
  const pulled =
    source === undefined ? [] : await pullInto(source, coordinator, { execution, context })
  const names = source === undefined ? [] : pulledNames(source, pulled)
  const { length: end } = execution.text
  const cut = upsert === undefined ? [] : [{ start: upsert.start, end, text: '' }]
  const start = upsert?.start ?? end
  const before = names.filter((name) => name.start < start)
  const positions = new PositionMap()
  const others = [...before, ...cut]
  const text = retarget(execution, target, scratch, targetSuffix, positions, others)
  const mending = { positions, aliases: [scratch.alias] }
  const { parameters, resultFormats, sendsRowDescription } = execution
  const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
  const shown = { client: context.client, catalog: showingAs(scratch, table, context) }
  const reader = relayedRows(coordinator, shown, sendsRowDescription, mending)
  const answer = sendStatements(coordinator, [statement], reader, mending)
  await waitFor(answer, coordinator, context.signal)
  if (pulled.length > 0) await dropPulled(pulled, coordinator)
  return answer.tag
}

/** RETURNING's columns are the user's table's. */
function showingAs(
  scratch: ScratchTable,
  { oid }: ClusterTable,
  { catalog }: StatementContext,
): Catalog {
  const { nodeId } = coordinatorOf(catalog)
  return { ...catalog, shellOids: new Map([[oidKey(nodeId, scratch.oid), oid]]) }
}

/**
 * Lets `fill` put rows into a scratch table of the cluster table's shape and moves them to where they belong, all in
 * the client's transaction. The tag is that of `fill`, whose count must be what arrived.
 */
export function throughScratch(
  table: ClusterTable,
  context: StatementContext,
  fill: (coordinator: BackendConnection, scratch: ScratchTable) => Promise<CommandTag>,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const { nodeId } = coordinatorOf(context.catalog)
    const coordinator = await context.connection(nodeId, 'write')
    const scratch = await createScratchTable(coordinator, table)
    const tag = await fill(coordinator, scratch)
    const from = scratch.qualifiedName
    const count =
      table.kind === 'distributed'
        ? await distributeRows({
            source: coordinator,
            from,
            table,
            target: (shard) => context.connection(shard.nodeId, 'write'),
            signal: context.signal,
            catalog: context.catalog,
          })
        : await broadcastRows(coordinator, from, table, context)
    if (count !== tagCount(tag)) throw lostRows(table, tagCount(tag), count)
    await dropScratchTable(coordinator, scratch)
    return tag
  })
}

/** The client's text with the scratch table where its target stood. */
export function retarget(
  { text, positionBase }: Execution,
  target: TextRange,
  scratch: ScratchTable,
  suffix: string,
  positions: PositionMap,
  others: readonly Replacement[] = [],
): Buffer {
  const out = new FrameWriter(text.length + 128)
  const own = { ...target, text: `${scratch.qualifiedName}${suffix}` }
  const replacements = [own, ...others].sort((a, b) => a.start - b.start)
  writeReplaced(out, text, 0, text.length, replacements, positions, positionBase)
  return out.take()
}
