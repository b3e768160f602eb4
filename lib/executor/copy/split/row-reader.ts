import type { LineEnds } from './line-ends.ts'
import type { RowRun } from './row-run.ts'

/** Instead of a row's end: it isn't there yet. */
export const MORE = -1
/** Instead of a row's end: the data say that they have ended. What follows is dropped. */
export const END = -2

export const KEY_PLAIN = 0
export const KEY_NULL = 1
/** Escapes, quotes in its midst …: Postgres must read it. */
export const KEY_UNSURE = 2
export type KeyForm = typeof KEY_PLAIN | typeof KEY_NULL | typeof KEY_UNSURE

/**
 * Finds rows in COPY data, as Postgres' copyfromparse.c does, without decoding them. After next() has found a row the fields
 * tell of it.
 */
export interface RowReader {
  key: KeyForm
  keyStart: number
  keyEnd: number
  /** Lines that the row counts for in error messages. */
  lines: number
  /** Postgres will refuse it, whatever shard it is sent to. Nothing after it matters. */
  isBroken: boolean
  /** Where a row may count for several lines. */
  readonly lineEnds?: LineEnds
  /**
   * Fills the run with the rows from `start` on that are whole and not unusual, maybe with none: next() is to be asked about what
   * follows them.
   */
  scan(bytes: Buffer, start: number, end: number, run: RowRun): void
  /** The end of the row that begins at `start` (its line end included), MORE or END. `isLast`: nothing comes after `end`. */
  next(bytes: Buffer, start: number, end: number, isLast: boolean): number
}
