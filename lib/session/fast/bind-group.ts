import type { ValueSpans } from '../../executor/execution-keys.ts'
import { Frontend } from '../../wire/message-codes.ts'

/** Most statements have fewer; it grows. */
const FEW_VALUES = 16

/** Describe of the unnamed portal, Execute of all its rows, Sync: each is always these bytes. */
export const DESCRIBE = Buffer.from([Frontend.describe, 0, 0, 0, 6, 0x50, 0])
export const EXECUTE_ALL = Buffer.from([Frontend.execute, 0, 0, 0, 9, 0, 0, 0, 0, 0])
export const SYNC = Buffer.from([Frontend.sync, 0, 0, 0, 4])

/**
 * The usual way to run a prepared statement, as it stands in a read buffer: Bind to the unnamed portal, perhaps Describe,
 * Execute without a row limit, Sync. Offsets only; reused from group to group.
 *
 *   Bind: type length portal\0 statement\0 formats values result-formats
 *                              ^nameStart  ^valuesStart                 ^bindEnd
 */
export class BindGroup implements ValueSpans {
  nameStart = 0
  /** Of its zero. */
  nameEnd = 0
  valuesStart = 0
  bindEnd = 0
  valueCount = 0
  describes = false
  /** Of their count. */
  #resultFormatsStart = 0
  /** After Sync. */
  end = 0
  #formatCount = 0
  /** The formats of the result, up to bindEnd. */
  #resultsStart = 0
  #starts = new Int32Array(FEW_VALUES)
  #lengths = new Int32Array(FEW_VALUES)

  /** `start`, `bindEnd`: of the Bind; the rest must stand before `chunkEnd`. false: something else. */
  read(chunk: Buffer, start: number, bindEnd: number, chunkEnd: number): boolean {
    this.nameStart = start + 6
    if (bindEnd - start < 14 || chunk[start + 5] !== 0) return false
    this.nameEnd = chunk.indexOf(0, this.nameStart)
    if (this.nameEnd < 0 || this.nameEnd >= bindEnd) return false
    this.valuesStart = this.nameEnd + 1
    this.bindEnd = bindEnd
    if (!this.#readValues(chunk)) return false
    this.describes = isAt(DESCRIBE, chunk, bindEnd, chunkEnd)
    const execute = this.describes ? bindEnd + DESCRIBE.length : bindEnd
    const sync = execute + EXECUTE_ALL.length
    this.end = sync + SYNC.length
    return isAt(EXECUTE_ALL, chunk, execute, chunkEnd) && isAt(SYNC, chunk, sync, chunkEnd)
  }

  valueStart(index: number): number {
    return this.#starts[index] ?? 0
  }

  valueEnd(index: number): number {
    return this.valueStart(index) + (this.#lengths[index] ?? -1)
  }

  formatOf(chunk: Buffer, index: number): number {
    if (this.#formatCount === 0) return 0
    return int16(chunk, this.valuesStart + 2 + (this.#formatCount === 1 ? 0 : 2 * index))
  }

  /** Some value, or some column of the result. */
  isBinary(chunk: Buffer): boolean {
    for (let index = 0; index < this.#formatCount; index++) {
      if (int16(chunk, this.valuesStart + 2 + 2 * index) === 1) return true
    }
    for (let at = this.#resultsStart; at < this.bindEnd; at += 2) {
      if (int16(chunk, at) === 1) return true
    }
    return false
  }

  /** As in Bind: none = all text, one = for all, else one each. */
  resultFormats(chunk: Buffer): readonly number[] {
    const at = this.#resultFormatsStart
    return Array.from({ length: int16(chunk, at) }, (_, index) => int16(chunk, at + 2 + 2 * index))
  }

  /** false: malformed. */
  #readValues(chunk: Buffer): boolean {
    const end = this.bindEnd
    const formatCount = this.#count(chunk, this.valuesStart)
    let at = this.valuesStart + 2 + 2 * formatCount
    const count = this.#count(chunk, at)
    if (formatCount > 1 && formatCount !== count) return false
    at += 2
    // each takes four bytes at least
    if (at + 4 * count > end) return false
    if (count > this.#starts.length) this.#grow(count)
    for (let index = 0; index < count; index++) {
      if (at + 4 > end) return false
      const length = int32(chunk, at)
      if (length < -1) return false
      at += 4
      this.#starts[index] = at
      this.#lengths[index] = length
      if (length > 0) at += length
    }
    this.#formatCount = formatCount
    this.valueCount = count
    this.#resultFormatsStart = at
    const resultFormats = this.#count(chunk, at)
    this.#resultsStart = at + 2
    return at + 2 + 2 * resultFormats === end
  }

  #grow(count: number): void {
    this.#starts = new Int32Array(count)
    this.#lengths = new Int32Array(count)
  }

  /** Int16 at `at`; beyond the message: more than fits. */
  #count(chunk: Buffer, at: number): number {
    return at + 2 > this.bindEnd ? 0x10000 : int16(chunk, at)
  }
}

function int16(chunk: Buffer, at: number): number {
  return ((chunk[at] ?? 0) << 8) | (chunk[at + 1] ?? 0)
}

/** Signed. */
function int32(chunk: Buffer, at: number): number {
  return (int16(chunk, at) << 16) | int16(chunk, at + 2)
}

function isAt(message: Buffer, chunk: Buffer, at: number, end: number): boolean {
  if (at + message.length > end) return false
  for (let index = 0; index < message.length; index++) {
    if (message[index] !== chunk[at + index]) return false
  }
  return true
}
