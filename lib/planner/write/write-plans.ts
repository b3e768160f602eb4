import type { DistributedTable, ReferenceTable } from '../../catalog/catalog.ts'
import type { LockedSelect } from '../locked-plans.ts'
import type { Pin, PulledPlan, ScatterSelect, TextRange, WorkerQuery } from '../plan.ts'

/**
 * INSERT whose keys are known only to Postgres (INSERT … SELECT from elsewhere, expressions, DEFAULT):
 * the user's statement runs on the coordinator into a scratch table of the target's shape, whose rows are then
 * copied to the shards, all in the client's transaction.
 */
export type InsertThroughScratchPlan = {
  readonly kind: 'insert-through-scratch'
  readonly table: DistributedTable | ReferenceTable
  /** Where the target's name stands in the text. */
  readonly target: TextRange
  /** What to put there besides the scratch table's name, e.g. ` AS events`. */
  readonly targetSuffix: string
  /** As in LocalPlan. */
  readonly runsCode: boolean
  /** The statement's rows come from distributed tables; undefined: they don't. */
  readonly source: PulledPlan | undefined
  readonly upsert: Upsert | undefined
  /** The shards' rows may go straight to where they belong, unless the table says no when it is asked. */
  readonly repartition: Repartition | undefined
}

/** The SELECT of an INSERT, of which each shard gives a part. */
export type Repartition = {
  /** Its columns are those of `columns`, and of their types. */
  readonly rows: ScatterSelect
  /** Of the target. */
  readonly columns: readonly string[]
  /** Of them, the distribution column. */
  readonly keyIndex: number
}

/** ON CONFLICT: once evaluated, the rows are inserted where they belong by the client's own clause. */
export type Upsert = {
  /** Where the clause begins: the coordinator runs the statement up to there. */
  readonly start: number
  /** The INSERT of rows that stand where UPSERT_ROWS does. */
  readonly insert: WorkerQuery
  /** Without RETURNING: for copies of a reference table that answer nobody. */
  readonly silent: WorkerQuery
}

export const UPSERT_ROWS = 'pgloom_upsert_rows'

/**
 * A write that only Postgres itself can evaluate over all rows: the coordinator runs it over mirrors of the tables that it
 * changes, into which the rows have been locked and copied that it may concern. What has changed there is then done to the
 * tables themselves.
 */
export type MirroredPlan = {
  readonly kind: 'mirrored'
  readonly targets: readonly MirroredTable[]
  readonly places: readonly MirroredPlace[]
  /** `ON CONSTRAINT …` of ON CONFLICT: a mirror's constraints have other names. */
  readonly constraints: readonly ConflictConstraint[]
  /** The statement over copies of what it only reads. */
  readonly source: PulledPlan
  /**
   * An INSERT with ON CONFLICT, no WITH and no RETURNING: an error that making its rows raises comes whatever rows are there, but for
   * those of rows that meet each other.
   */
  readonly makesRowsFirst: boolean
  /** Nothing but UPDATE: rows that move arrive before they leave, so that they meet those that were there. */
  readonly insertsFirst: boolean
}

export type MirroredTable = {
  readonly table: DistributedTable | ReferenceTable
  readonly pins: readonly Pin[]
  /** The statement looks at rows that are there: it does more than insert. */
  readonly isRead: boolean
  /** ON CONFLICT: rows that may be met are to be found first. */
  readonly conflicts: Conflicts | undefined
  /** Locks the rows, and gives their ctid and all columns but generated ones; undefined: not read, or a reference table. */
  readonly rows: WorkerQuery | undefined
  /** Columns that may be assigned; none: it is not updated. */
  readonly updated: readonly string[]
  readonly deletes: boolean
}

export type Conflicts = {
  /** DO UPDATE: rows that are met must be locked. */
  readonly updates: boolean
  /** Other parts of the statement change the table, too: all its rows are needed. */
  readonly needsAll: boolean
}

export type ConflictConstraint = TextRange & {
  /** Index in `targets`. */
  readonly target: number
  readonly name: string
}

/** Where the name of a table that is changed stands in the text. */
export type MirroredPlace = TextRange & {
  /** Index in `targets`. */
  readonly target: number
  readonly suffix: string
}

/** The same text on every node, in one order (coordinator first). */
export type ReferenceWritePlan = {
  readonly kind: 'reference-write'
  readonly table: ReferenceTable
}

export type ScatterModify = WorkerQuery & {
  readonly kind: 'scatter-modify'
  readonly table: DistributedTable
  readonly pins: readonly Pin[]
}

/** Changes the rows that a SELECT over all shards has chosen. */
export type ChosenModify = {
  readonly kind: 'chosen-modify'
  /** Gives their keys, or where they lie. */
  readonly chosen: ScatterSelect | LockedSelect
  /** The statement's own parameters come first; arrays of the keys' columns follow. */
  readonly modify: ScatterModify
  readonly parameterCount: number
  readonly keyCount: number
}
