import { Frontend } from '../wire/message-codes.ts'

/** Describe of the unnamed portal, Execute of all its rows, Sync: each is always these bytes. */
const DESCRIBE = Buffer.from([Frontend.describe, 0, 0, 0, 6, 0x50, 0])
const EXECUTE = Buffer.from([Frontend.execute, 0, 0, 0, 9, 0, 0, 0, 0, 0])
const SYNC = Buffer.from([Frontend.sync, 0, 0, 0, 4])

/**
 * The usual way to run a prepared statement, as it stands in a read buffer: Bind to the unnamed portal, perhaps Describe,
 * Execute without a row limit, Sync. Offsets only; reused from group to group.
 *
 *   Bind: type length portal\0 statement\0 formats values result-formats
 *                              ^nameStart  ^valuesStart                 ^bindEnd
 */
export class BindGroup {
  nameStart = 0
  /** Of its zero. */
  nameEnd = 0
  valuesStart = 0
  bindEnd = 0
  parameterCount = 0
  describes = false
  /** After Sync. */
  end = 0

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
    const sync = execute + EXECUTE.length
    this.end = sync + SYNC.length
    return isAt(EXECUTE, chunk, execute, chunkEnd) && isAt(SYNC, chunk, sync, chunkEnd)
  }

  /** false: malformed. */
  #readValues(chunk: Buffer): boolean {
    const end = this.bindEnd
    const formatCount = this.#count(chunk, this.valuesStart)
    let at = this.valuesStart + 2 + 2 * formatCount
    const count = this.#count(chunk, at)
    if (formatCount > 1 && formatCount !== count) return false
    this.parameterCount = count
    at += 2
    for (let index = 0; index < count; index++) {
      if (at + 4 > end) return false
      const length = chunk.readInt32BE(at)
      if (length < -1) return false
      at += 4 + Math.max(0, length)
    }
    const resultFormats = this.#count(chunk, at)
    return at + 2 + 2 * resultFormats === end
  }

  /** Int16 at `at`; beyond the message: more than fits. */
  #count(chunk: Buffer, at: number): number {
    return at + 2 > this.bindEnd ? 0x10000 : chunk.readUInt16BE(at)
  }
}

function isAt(message: Buffer, chunk: Buffer, at: number, end: number): boolean {
  if (at + message.length > end) return false
  for (let index = 0; index < message.length; index++) {
    if (message[index] !== chunk[at + index]) return false
  }
  return true
}
