import type { DistributedTable } from '../catalog/catalog.ts'
import type { Pin, ScatterSelect, WorkerQuery } from './plan.ts'

/** SELECT … LIMIT … FOR UPDATE (or its kin) over several shards, or of rows of reference tables. */
export type LockedSelect = {
  readonly kind: 'locked-select'
  readonly table: DistributedTable
  readonly pins: readonly Pin[]
  /** The keys of rows that come first, or where they lie; how many is the parameter after the keys'. */
  readonly candidates: ScatterSelect
  /** Locks rows by their keys and gives the keys of those that it got. */
  readonly lock: WorkerQuery
  /** The statement itself without locks, over the rows with the keys. */
  readonly chosen: ScatterSelect
  /** The statement's own parameters; arrays of the keys' columns follow. */
  readonly parameterCount: number
  readonly keyCount: number
  /** Of reference tables, in their order. */
  readonly references: readonly ReferenceLock[]
  /** LIMIT and OFFSET as expressions; undefined: all rows. */
  readonly limits: readonly [string | undefined, string]
  /** Without SKIP LOCKED and NOWAIT. */
  readonly waits: boolean
  /** Rows are missed where they lie elsewhere by now: then it is asked anew which come first. */
  readonly asksAgain: boolean
}

/** Locks rows of a reference table on the coordinator by their keys, and gives the keys of those that it got. */
export type ReferenceLock = {
  /** Its columns among those of the keys, [start, start + count). */
  readonly start: number
  readonly count: number
  readonly text: string
}
