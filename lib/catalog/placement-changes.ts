import type { Catalog, ClusterTable, DistributedTable } from './catalog.ts'

/** A statement planned by `before` may have looked for rows where they are not, or not only, by `after`. */
export function placementsDiffer(before: Catalog, after: Catalog): boolean {
  if (before === after || before.tables === after.tables) return false
  if (before.tables.size !== after.tables.size) return true
  for (const [key, table] of before.tables) {
    const now = after.tables.get(key)
    if (now === undefined || now.oid !== table.oid || !isPlacedAlike(table, now)) return true
  }
  return false
}

function isPlacedAlike(table: ClusterTable, now: ClusterTable): boolean {
  if (table.kind !== 'distributed' || now.kind !== 'distributed') return table.kind === now.kind
  return hasSameShards(table, now)
}

function hasSameShards({ shards }: DistributedTable, now: DistributedTable): boolean {
  if (shards.length !== now.shards.length) return false
  return shards.every(({ nodeId, schema, minHash }, index) => {
    const other = now.shards[index]
    return other?.nodeId === nodeId && other.schema === schema && other.minHash === minHash
  })
}
