import type { CombineQuery, WorkerQuery } from './plan.ts'

/** DISTINCT values are aggregated on the nodes that their hashes say. */
export type DistinctExchange = {
  /** Those of the plan's worker query: what is grouped by, the values, and other aggregates. */
  readonly columns: readonly ('key' | 'value' | 'partial')[]
  /** Gives a shard's groups, to be counted; undefined: all is one group. */
  readonly groups: WorkerQuery | undefined
  /** `parts`: a power of two. */
  readonly workers: (parts: number) => ExchangeWorkers
  /** Over the rows of the plan's worker query, for each part on its node. */
  readonly node: CombineQuery
  /** Over the nodes' rows. */
  readonly combine: CombineQuery
}

export type ExchangeWorkers = {
  /** The values' part as int4, then the same columns; values as an array, the other aggregates of it. */
  readonly values: WorkerQuery
  /** The same with each value once; other aggregates as arrays, too. undefined: their types may not allow it. */
  readonly distinct: WorkerQuery | undefined
}
