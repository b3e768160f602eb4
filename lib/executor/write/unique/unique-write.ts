import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { UniqueWritePlan } from '../../../planner/write/unique-writes.ts'
import type { CommandTag, StatementContext } from '../../ports.ts'
import { applyChanges } from './unique-changes.ts'
import { WrittenNodes } from './written-nodes.ts'

/** A write, and in the same transaction what it did to keys of global unique indexes. */
export function runUniqueWrite(
  { indexes }: UniqueWritePlan,
  context: StatementContext,
  run: (context: StatementContext) => Promise<CommandTag>,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const written = new WrittenNodes(context)
    const tag = await run(written)
    const { nodeId } = coordinatorOf(context.catalog)
    const shards = shardNodes(context, indexes)
    const sources = written.connections.filter(({ node }) => shards.has(node.nodeId))
    await applyChanges(indexes, sources, () => context.connection(nodeId, 'write'))
    return tag
  })
}

function shardNodes(
  { catalog }: StatementContext,
  indexes: UniqueWritePlan['indexes'],
): ReadonlySet<number> {
  const oids = new Set(indexes.map(({ tableOid }) => tableOid))
  const tables = [...catalog.tables.values()].filter(({ oid }) => oids.has(oid))
  return new Set(
    tables.flatMap((table) =>
      table.kind === 'distributed' ? table.shards.map(({ nodeId }) => nodeId) : [],
    ),
  )
}
