import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterNode, ClusterTable } from '../catalog/catalog.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { LockPlan } from '../planner/plan.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import { quoteIdentifier } from './relay/quoted-schema.ts'
import { relayOn, unchangedPositions } from './relay/relay-on.ts'
import { waitFor } from './scatter/relayed-rows.ts'
import { sendQuery } from './simple-request.ts'

/**
 * LOCK TABLE: the client's own text on the coordinator, where all tables have at least a shell, so that two of them meet
 * there first; then on every other node in order of its id the shells, copies and shards, by name.
 */
export async function lockTables(
  plan: LockPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  if (!context.isInTransaction) {
    throw new RouterError(
      SqlState.noActiveSqlTransaction,
      'LOCK TABLE can only be used in transaction blocks',
    )
  }
  const coordinator = coordinatorOf(context.catalog)
  const positions = unchangedPositions(execution)
  const tag = await relayOn(coordinator.nodeId, 'read', execution, positions, context)
  const nodes = context.catalog.nodes.toSorted((left, right) => left.nodeId - right.nodeId)
  for (const node of [coordinator, ...nodes.filter((each) => each !== coordinator)]) {
    const names = plan.tables.flatMap((table) => namesOn(table, node)).toSorted()
    if (names.length === 0) continue
    const connection = await context.connection(node.nodeId, 'read')
    const nowait = plan.isNowait ? ' NOWAIT' : ''
    const text = `LOCK TABLE ${names.join(', ')} IN ${plan.mode} MODE${nowait}`
    const answer = sendQuery(connection, text, {}, { positions: 'drop' })
    await waitFor(answer, connection, context.signal)
  }
  return tag
}

/** The table under its own name (a shell, or a copy of a reference table) and its shards there. */
function namesOn(table: ClusterTable, { nodeId }: ClusterNode): readonly string[] {
  const shards = table.kind === 'distributed' ? table.shards : []
  const schemas = shards.filter((shard) => shard.nodeId === nodeId).map(({ schema }) => schema)
  return [table.schema, ...schemas].map(
    (schema) => `${quoteIdentifier(schema)}.${quoteIdentifier(table.name)}`,
  )
}
