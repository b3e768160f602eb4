import type { Shard } from './catalog.ts'

/** Some of a table's shards: those on one node. */
export type NodeShards = {
  readonly nodeId: number
  readonly shards: readonly Shard[]
}

const known = new WeakMap<readonly Shard[], readonly NodeShards[]>()

/** By node, in the order of the nodes' numbers. For the same array always the same arrays. */
export function shardsByNode(shards: readonly Shard[]): readonly NodeShards[] {
  let found = known.get(shards)
  if (found === undefined) {
    found = group(shards)
    known.set(shards, found)
  }
  return found
}

function group(all: readonly Shard[]): readonly NodeShards[] {
  const shardsOf = new Map<number, Shard[]>()
  for (const shard of all) {
    const shards = shardsOf.get(shard.nodeId)
    if (shards === undefined) shardsOf.set(shard.nodeId, [shard])
    else shards.push(shard)
  }
  return [...shardsOf].sort(([a], [b]) => a - b).map(([nodeId, shards]) => ({ nodeId, shards }))
}
