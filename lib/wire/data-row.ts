import { ProtocolError } from '../base/errors.ts'
import { HEADER_BYTES } from './message-codes.ts'

/**
 * Finds the values of the DataRow [start, end) of `chunk` without copying: `into[2 * i]` is where value i begins
 * in `chunk`, `into[2 * i + 1]` its length in bytes, -1 for NULL. Returns the number of columns; `into` must hold
 * twice as many, what doesn't fit is checked but not stored.
 */
export function columnOffsets(chunk: Buffer, start: number, end: number, into: Int32Array): number {
  let at = start + HEADER_BYTES
  if (end - at < 2) throw new ProtocolError('insufficient data left in message')
  const count = ((chunk[at] ?? 0) << 8) | (chunk[at + 1] ?? 0)
  at += 2
  for (let i = 0; i < count; i++) {
    if (end - at < 4) throw new ProtocolError('insufficient data left in message')
    const length = int32At(chunk, at)
    at += 4
    into[2 * i] = at
    into[2 * i + 1] = length
    if (length === -1) continue
    if (length < 0 || length > end - at) {
      throw new ProtocolError('insufficient data left in message')
    }
    at += length
  }
  if (at !== end) throw new ProtocolError('invalid message format')
  return count
}

function int32At(chunk: Buffer, at: number): number {
  return (
    ((chunk[at] ?? 0) << 24) |
    ((chunk[at + 1] ?? 0) << 16) |
    ((chunk[at + 2] ?? 0) << 8) |
    (chunk[at + 3] ?? 0)
  )
}
