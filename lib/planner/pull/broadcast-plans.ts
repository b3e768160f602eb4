import type { DistributedTable } from '../../catalog/catalog.ts'
import type { PulledPart, PulledRows, ScatterSelect } from '../plan.ts'

/** Some of the rows are sent to other nodes, and the others stay in their shards. */
export type BroadcastChoice = {
  readonly pulls: readonly PulledRows[]
  /**
   * For each of pulls: the table that its rows become, of a temporary table for each shard. undefined: all of them go to all nodes.
   * The shards' schemas are the names of these temporary tables, but for what makes them unlike any other.
   */
  readonly splits: readonly (DistributedTable | undefined)[]
  readonly parts: readonly PulledPart[]
  /** What then isn't moved. */
  readonly kept: readonly PulledRows[]
  /**
   * The statement over shards that have, on each node, the rows of pulls and then parts as temporary tables broadcastName(0) … .
   * undefined: it can't be run in that way.
   */
  readonly plan: () => ScatterSelect | undefined
}

const PREFIX = 'pgloom_broadcast_'

/** Unqualified, in the worker query of a choice: for the executor to put the true name in. */
export function broadcastName(index: number): string {
  return `${PREFIX}${index}_t`
}

/** A statement with such names of its own can't be told from ours. */
export function hasBroadcastNames(text: Buffer): boolean {
  return text.includes(PREFIX)
}
