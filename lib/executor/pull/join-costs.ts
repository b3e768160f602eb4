/** Less than this is pulled in no time. */
const MIN_KEPT_BYTES = 262_144
/** To make and fill temporary tables for the shards takes longer than to pull less than this. */
const MIN_JOINED_BYTES = 8_388_608

/** What of a statement's rows moves, in bytes. */
export type Traffic = {
  /** To all nodes. */
  readonly sentBytes: number
  /** Each to one node. */
  readonly splitBytes: number
  /** Nowhere. */
  readonly keptBytes: number
  /** There are tables whose rows are split. */
  readonly splits: boolean
}

/** pgloom.broadcast_joins and pgloom.repartition_joins: 'auto', 'never' or, wherever it is legal, 'always'. */
export type JoinSettings = { readonly broadcasts: string; readonly repartitions: string }

/** Rather than to bring all of it to the coordinator. */
export function isWorthIt(
  { sentBytes, splitBytes, keptBytes, splits }: Traffic,
  { broadcasts, repartitions }: JoinSettings,
  nodeCount: number,
): boolean {
  const mode = splits ? repartitions : broadcasts
  if (mode !== 'auto') return mode === 'always'
  const sentToAll = sentBytes * Math.max(2, nodeCount)
  if (!splits) return keptBytes >= MIN_KEPT_BYTES && sentToAll < keptBytes
  const joinedBytes = splitBytes + keptBytes
  return nodeCount > 1 && joinedBytes >= MIN_JOINED_BYTES && sentToAll < joinedBytes
}

/** Of two choices that are worth it the one with less. */
export function cost(
  { sentBytes, splitBytes, splits }: Traffic,
  { repartitions }: JoinSettings,
  nodeCount: number,
): number {
  if (splits && repartitions === 'always') return -1
  return sentBytes * Math.max(2, nodeCount) + splitBytes
}
