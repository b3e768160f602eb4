import type { DistributedTable, Shard } from './catalog.ts'

const TOKEN_COUNT = 4294967296
const MIN_HASH = -2147483648
const MAX_HASH = 2147483647

export type HashRange = { readonly minHash: number; readonly maxHash: number }

/** The ranges of a new group, as Citus cuts them: equal widths, the last takes what is left over. */
export function splitHashSpace(shardCount: number): HashRange[] {
  const width = Math.floor(TOKEN_COUNT / shardCount)
  return Array.from({ length: shardCount }, (_, index) => {
    const minHash = MIN_HASH + index * width
    return { minHash, maxHash: index === shardCount - 1 ? MAX_HASH : minHash + width - 1 }
  })
}

/** The shard that holds rows whose distribution value has this hash. The ranges cover all of int32. */
export function shardOfHash(table: DistributedTable, hash: number): Shard {
  const { shards } = table
  const width = Math.floor(TOKEN_COUNT / shards.length)
  const guess = shards[Math.min(Math.floor((hash - MIN_HASH) / width), shards.length - 1)]
  if (guess !== undefined && hash >= guess.minHash && hash <= guess.maxHash) return guess
  return searchShard(table, hash)
}

/** As shardOfHash, of the shard's index alone, for many hashes of one table. */
export function shardIndexer({ shards }: DistributedTable): (hash: number) => number {
  const minHashes = Int32Array.from(shards, ({ minHash }) => minHash)
  const last = shards.length - 1
  const perToken = shards.length / TOKEN_COUNT
  return (hash) => {
    let index = Math.min(last, (((hash ^ MIN_HASH) >>> 0) * perToken) | 0)
    while (index > 0 && hash < (minHashes[index] ?? 0)) index--
    while (index < last && hash >= (minHashes[index + 1] ?? 0)) index++
    return index
  }
}

/** For groups whose ranges are no longer uniform (after a split). */
function searchShard(table: DistributedTable, hash: number): Shard {
  let low = 0
  let high = table.shards.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const shard = table.shards[middle]
    if (shard === undefined) break
    if (hash < shard.minHash) high = middle - 1
    else if (hash > shard.maxHash) low = middle + 1
    else return shard
  }
  throw new Error(`no shard of ${table.schema}.${table.name} covers the hash ${hash}`)
}
