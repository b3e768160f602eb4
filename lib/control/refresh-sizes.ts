import type { Catalog } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { StatementContext } from '../executor/ports.ts'
import { quoteLiteral } from './shard-schema.ts'

type Size = { readonly shardId: number; readonly groupId: number; readonly bytes: string }

/**
 * Reads through the client's own transaction, which can't be in its own way; writes outside it, giving up at once
 * where a lock is held: sizes are a courtesy.
 */
export async function refreshSizes(context: StatementContext): Promise<void> {
  const { catalog } = context
  const nodes = catalog.nodes.filter(({ isActive }) => isActive)
  const sizes: Size[] = []
  for (const { nodeId, groupId } of nodes) sizes.push(...(await sizesOn(context, nodeId, groupId)))
  const coordinator = await context.sideConnection(nodes[0]?.nodeId ?? 0)
  const array = (values: readonly (string | number)[]) => `{${values.join(',')}}`
  await query(coordinator, 'BEGIN')
  try {
    await query(coordinator, "SET LOCAL lock_timeout = '20ms'")
    await query(coordinator, 'SELECT pgloom.set_placement_sizes($1, $2, $3)', [
      array(sizes.map(({ shardId }) => shardId)),
      array(sizes.map((size) => size.groupId)),
      array(sizes.map(({ bytes }) => bytes)),
    ])
    await query(coordinator, 'COMMIT')
  } catch {
    await query(coordinator, 'ROLLBACK')
  }
}

async function sizesOn(
  context: StatementContext,
  nodeId: number,
  groupId: number,
): Promise<Size[]> {
  const shardIds = shardIdsByName(context.catalog, nodeId)
  const { rows } = await query(await context.connection(nodeId, 'read'), sizesSql(context.catalog))
  return rows.flatMap(([schema, name, bytes]) => {
    const shardId = shardIds.get(`${schema}\0${name}`)
    return shardId === undefined || bytes === undefined ? [] : [{ shardId, groupId, bytes }]
  })
}

function sizesSql(catalog: Catalog): string {
  const names = [...catalog.tables.values()]
    .filter(({ kind }) => kind === 'reference')
    .map(({ name }) => quoteLiteral(name))
  const references = names.length === 0 ? '' : ` OR c.relname IN (${names.join(', ')})`
  return `SELECT n.nspname, c.relname, pg_catalog.pg_total_relation_size(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (n.nspname ~ '^pgloom_[0-9]'${references})`
}

function shardIdsByName(catalog: Catalog, nodeId: number): ReadonlyMap<string, number> {
  const shardIds = new Map<string, number>()
  for (const table of catalog.tables.values()) {
    if (table.kind === 'reference') {
      shardIds.set(`${table.schema}\0${table.name}`, table.shardId)
      continue
    }
    for (const shard of table.shards) {
      if (shard.nodeId === nodeId) shardIds.set(`${shard.schema}\0${table.name}`, shard.shardId)
    }
  }
  return shardIds
}
