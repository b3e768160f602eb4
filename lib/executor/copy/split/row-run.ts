/** So many rows are looked at before the first of them is copied. */
const CAPACITY = 2048

/**
 * Rows that lie one after the other, none of them unusual: each has one line, and a key in its plain form. A column an array, so
 * that a row costs no object; filled again and again.
 */
export class RowRun {
  readonly capacity = CAPACITY
  count = 0
  /** The bytes that they lie in. */
  source: DataView = new DataView(new ArrayBuffer(0))
  /** Where each ends; the next begins there. */
  readonly ends = new Int32Array(CAPACITY)
  readonly keyStarts = new Int32Array(CAPACITY)
  readonly keyEnds = new Int32Array(CAPACITY)
  /** Where each belongs, once its key is hashed. */
  readonly shards = new Int32Array(CAPACITY)
}
