import type { Column, KeyHashing } from './catalog.ts'
import { hashOfBinary } from './key-binary.ts'
import { hashOfText } from './key-text.ts'
import { hashOfLabel } from './key-value.ts'
import { hashBpchar, hashBytes, hashInt8, hashSafeInteger, hashUint32 } from './pg-hash.ts'
import { TypeOid } from './type-oid.ts'

/** The hash of the key in bytes [start, end), undefined where Postgres must read it. Allocates little or nothing. */
export type KeyHasher = (bytes: Buffer, start: number, end: number) => number | undefined

const ZERO = 0x30
const MINUS = 0x2d
/** Of digits that a number holds exactly. */
const EXACT_DIGITS = 15
const ASCII_LIMIT = 0x80

/**
 * For keys as text in the server's encoding, UTF-8; `isServerEncoding` false: in another one of which ASCII is a part, so that
 * others than ASCII keys are left to Postgres.
 */
export function textKeyHasher(column: Column, isServerEncoding: boolean): KeyHasher {
  const { hashing } = column
  const { typeOid, typeModifier } = column.base ?? column
  if (hashing !== undefined) return labelHasher(hashing, isServerEncoding)
  switch (typeOid) {
    case TypeOid.int2:
    case TypeOid.int4:
    case TypeOid.int8:
      return integerHasher(typeOid, typeModifier)
    case TypeOid.text:
    case TypeOid.varchar:
      return stringHasher(isServerEncoding, typeModifier < 4 ? Infinity : typeModifier - 4)
    case TypeOid.bpchar:
      return (bytes, start, end) =>
        isServerEncoding || isAscii(bytes, start, end)
          ? hashBpchar(bytes.subarray(start, end))
          : undefined
    default:
      return (bytes, start, end) =>
        isAscii(bytes, start, end)
          ? hashOfText(typeOid, typeModifier, bytes.toString('latin1', start, end))
          : undefined
  }
}

/** Those of the common types make no Buffer of the key. */
export function binaryKeyHasher(column: Column): KeyHasher {
  const { hashing } = column
  const { typeOid, typeModifier } = column.base ?? column
  if (hashing !== undefined) return labelHasher(hashing, true)
  switch (typeOid) {
    case TypeOid.int4:
      return (bytes, start, end) =>
        end - start === 4 ? hashUint32(bytes.readInt32BE(start)) : undefined
    case TypeOid.int8:
      return (bytes, start, end) =>
        end - start === 8
          ? hashInt8(bytes.readInt32BE(start), bytes.readInt32BE(start + 4))
          : undefined
    case TypeOid.uuid:
      return (bytes, start, end) => (end - start === 16 ? hashBytes(bytes, start, end) : undefined)
    case TypeOid.text:
    case TypeOid.varchar:
      return stringHasher(true, typeModifier < 4 ? Infinity : typeModifier - 4)
    default:
      return (bytes, start, end) => hashOfBinary(typeOid, typeModifier, bytes.subarray(start, end))
  }
}

/** Of enums and citext, alike in both formats. */
function labelHasher(hashing: KeyHashing, isServerEncoding: boolean): KeyHasher {
  return (bytes, start, end) =>
    isServerEncoding || isAscii(bytes, start, end)
      ? hashOfLabel(hashing, bytes.toString('utf8', start, end))
      : undefined
}

function integerHasher(typeOid: number, typeModifier: number): KeyHasher {
  const limit = { [TypeOid.int2]: 32_768, [TypeOid.int4]: 2_147_483_648 }[typeOid]
  return (bytes, start, end) => {
    const value = plainInteger(bytes, start, end)
    if (Number.isNaN(value)) {
      return isAscii(bytes, start, end)
        ? hashOfText(typeOid, typeModifier, bytes.toString('latin1', start, end))
        : undefined
    }
    if (limit === undefined) return hashSafeInteger(value)
    return value >= -limit && value < limit ? hashUint32(value) : undefined
  }
}

/** NaN: not a sign and a few digits. */
function plainInteger(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS
  const first = isNegative ? start + 1 : start
  const length = end - first
  if (length < 1 || length > EXACT_DIGITS) return Number.NaN
  let magnitude = 0
  for (let at = first; at < end; at++) {
    const digit = (bytes[at] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    magnitude = magnitude * 10 + digit
  }
  return isNegative ? -magnitude : magnitude
}

/** Bytes that are no UTF-8 are refused by any shard. A varchar(n) drops blanks beyond n characters. */
function stringHasher(isServerEncoding: boolean, maxLength: number): KeyHasher {
  return (bytes, start, end) => {
    if (end - start > maxLength) return undefined
    if (!isServerEncoding && !isAscii(bytes, start, end)) return undefined
    return hashBytes(bytes, start, end)
  }
}

function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if ((bytes[at] ?? 0) >= ASCII_LIMIT) return false
  }
  return true
}
