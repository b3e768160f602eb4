import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { Plan } from '../../../planner/plan.ts'
import type { UniqueWritePlan } from '../../../planner/write/unique-writes.ts'
import type { CommandTag, StatementContext } from '../../ports.ts'
import { applyChanges, joinPages, takePages } from './unique-changes.ts'
import { WrittenNodes } from './written-nodes.ts'

/** Where one shard suffices they send one request, after which another can follow at once. */
const PLAIN: ReadonlySet<Plan['kind']> = new Set(['insert-rows', 'modify', 'select'])

/** A write, and in the same transaction what it did to keys of global unique indexes. */
export function runUniqueWrite(
  { plan, indexes }: UniqueWritePlan,
  context: StatementContext,
  run: (context: StatementContext) => Promise<CommandTag>,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const shards = shardNodes(context, indexes)
    const written = new WrittenNodes(context, (connection) => {
      const isAskedAtOnce = PLAIN.has(plan.kind) && shards.has(connection.node.nodeId)
      return isAskedAtOnce ? takePages(indexes, connection) : undefined
    })
    const tag = await run(written)
    const { nodeId } = coordinatorOf(context.catalog)
    const sources = written.connections.filter(({ node }) => shards.has(node.nodeId))
    const { asked } = written
    const pages = await Promise.all(
      sources.map(async (source) => {
        if (source !== asked?.connection) return takePages(indexes, source)
        const first = await asked.answer
        return asked.isLast ? first : joinPages(first, await takePages(indexes, source))
      }),
    )
    await applyChanges(indexes, sources, {
      coordinator: () => context.connection(nodeId, 'write'),
      signal: context.signal,
      pages,
    })
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
