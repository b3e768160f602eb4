/** Less than this is pulled in no time. */
const MIN_KEPT_BYTES = 262_144
/** What as many temporary tables as there are shards take, as if it were rows. */
const TABLES_BYTES = 4_194_304
/** Measured over rows that go from shard to shard: what comes to one place, written and joined there alone, takes longer. */
const PULLED_WEIGHT = 1.3
/** Each shard's own join reads all rows that were sent to its node, which takes so much of what it took to send them. */
const READ_WEIGHT = 0.125

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
  /** What then runs, each reads all that was sent to all nodes. */
  readonly taskCount: number
}

/** pgloom.broadcast_joins and pgloom.repartition_joins: 'auto', 'never' or, wherever it is legal, 'always'. */
export type JoinSettings = { readonly broadcasts: string; readonly repartitions: string }

/** Rather than to bring all of it to the coordinator. */
export function isWorthIt(
  traffic: Traffic,
  { broadcasts, repartitions }: JoinSettings,
  nodeCount: number,
): boolean {
  const { sentBytes, splitBytes, keptBytes, splits } = traffic
  const mode = splits ? repartitions : broadcasts
  if (mode !== 'auto') return mode === 'always'
  if (!splits) return keptBytes >= MIN_KEPT_BYTES && cost(traffic, nodeCount) < keptBytes
  const allBytes = sentBytes + splitBytes + keptBytes
  return nodeCount > 1 && cost(traffic, nodeCount) < allBytes * PULLED_WEIGHT
}

/** In bytes that go from shard to shard. Of two choices that are worth it the cheaper one is taken. */
export function cost(
  { sentBytes, splitBytes, splits, taskCount }: Traffic,
  nodeCount: number,
): number {
  const sending = Math.max(2, nodeCount) + taskCount * READ_WEIGHT
  return sentBytes * sending + (splits ? splitBytes + TABLES_BYTES : 0)
}

/** Where it is always to be split, these come first. */
export function isForced({ splits }: Traffic, { repartitions }: JoinSettings): boolean {
  return splits && repartitions === 'always'
}
