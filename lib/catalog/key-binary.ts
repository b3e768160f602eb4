import { INET_LENGTHS } from './key-address.ts'
import { NAME_BYTES, scaleOf } from './key-text.ts'
import {
  hashBpchar,
  hashBytes,
  hashFloat,
  hashInt8,
  hashNumericDigits,
  hashSpan,
  hashUint32,
  NUMERIC_SPECIAL_HASH,
} from './pg-hash.ts'
import { TypeOid } from './type-oid.ts'

type BinaryReader = {
  /** The only length a value can have, in bytes; undefined: any. */
  readonly length: number | undefined
  readonly hash: (value: Buffer, typeModifier: number) => number | undefined
}

const READERS: ReadonlyMap<number, BinaryReader> = new Map<number, BinaryReader>([
  [TypeOid.int2, { length: 2, hash: (value) => hashUint32(value.readInt16BE(0)) }],
  [TypeOid.int4, { length: 4, hash: hashOfInt4 }],
  [TypeOid.date, { length: 4, hash: hashOfInt4 }],
  [TypeOid.oid, { length: 4, hash: hashOfInt4 }],
  [TypeOid.int8, { length: 8, hash: hashOfInt8 }],
  [TypeOid.timestamp, { length: 8, hash: hashOfTimestamp }],
  [TypeOid.timestamptz, { length: 8, hash: hashOfTimestamp }],
  [TypeOid.bool, { length: 1, hash: (value) => hashUint32(value[0] === 0 ? 0 : 1) }],
  [TypeOid.text, { length: undefined, hash: hashOfString }],
  [TypeOid.varchar, { length: undefined, hash: hashOfString }],
  [TypeOid.bpchar, { length: undefined, hash: (value) => hashBpchar(value) }],
  [TypeOid.bytea, { length: undefined, hash: (value) => hashBytes(value) }],
  [TypeOid.uuid, { length: 16, hash: (value) => hashBytes(value) }],
  [TypeOid.float4, { length: 4, hash: (value) => hashFloat(value.readFloatBE(0)) }],
  [TypeOid.float8, { length: 8, hash: (value) => hashFloat(value.readDoubleBE(0)) }],
  [TypeOid.numeric, { length: undefined, hash: hashOfNumeric }],
  [TypeOid.name, { length: undefined, hash: hashOfName }],
  [TypeOid.time, { length: 8, hash: hashOfTimestamp }],
  [TypeOid.timetz, { length: 12, hash: hashOfTimetz }],
  [TypeOid.interval, { length: 16, hash: hashOfInterval }],
  [TypeOid.inet, { length: undefined, hash: hashOfInet }],
  [TypeOid.cidr, { length: undefined, hash: hashOfInet }],
  [TypeOid.macaddr, { length: 6, hash: (value) => hashBytes(value) }],
  [TypeOid.macaddr8, { length: 8, hash: (value) => hashBytes(value) }],
])

/** Hash of a value in the binary format of type `typeOid`; undefined when its length or content is not that type's. */
export function hashOfBinary(
  typeOid: number,
  typeModifier: number,
  value: Buffer,
): number | undefined {
  const reader = READERS.get(typeOid)
  if (reader === undefined) return undefined
  if (reader.length !== undefined && reader.length !== value.length) return undefined
  return reader.hash(value, typeModifier)
}

function hashOfInt4(value: Buffer): number {
  return hashUint32(value.readInt32BE(0))
}

function hashOfInt8(value: Buffer): number {
  return hashInt8(value.readInt32BE(0), value.readInt32BE(4))
}

/** A declared precision may round the value on its way into the column. */
function hashOfTimestamp(value: Buffer, typeModifier: number): number | undefined {
  return typeModifier < 0 || typeModifier >= 6 ? hashOfInt8(value) : undefined
}

/** Int64 microseconds, Int32 seconds west of Greenwich */
function hashOfTimetz(value: Buffer, typeModifier: number): number | undefined {
  const time = hashOfTimestamp(value.subarray(0, 8), typeModifier)
  return time === undefined ? undefined : time ^ hashUint32(value.readInt32BE(8))
}

/** Int64 microseconds, Int32 days, Int32 months */
function hashOfInterval(value: Buffer, typeModifier: number): number | undefined {
  if (typeModifier >= 0) return undefined
  return hashSpan(value.readBigInt64BE(0), value.readInt32BE(8), value.readInt32BE(12))
}

/** Byte family, Byte bits, Byte is-cidr, Byte length, address */
function hashOfInet(value: Buffer): number | undefined {
  const length = value[3] ?? 0
  if (value.length !== length + 4 || length !== INET_LENGTHS.get(value[0] ?? 0)) return undefined
  return hashBytes(Buffer.concat([value.subarray(0, 2), value.subarray(4)]))
}

/** Longer ones are cut. */
function hashOfName(value: Buffer): number | undefined {
  return value.length < NAME_BYTES ? hashBytes(value) : undefined
}

/** A varchar(n) silently drops blanks beyond n characters; n bytes are at most n characters. */
function hashOfString(value: Buffer, typeModifier: number): number | undefined {
  return typeModifier < 4 || value.length <= typeModifier - 4 ? hashBytes(value) : undefined
}

const NUMERIC_NEGATIVE = 0x4000

/** Int16 ndigits, Int16 weight, UInt16 sign, UInt16 dscale, Int16[ndigits] */
function hashOfNumeric(value: Buffer, typeModifier: number): number | undefined {
  if (value.length < 8) return undefined
  const count = value.readUInt16BE(0)
  const sign = value.readUInt16BE(4)
  if (value.length !== 8 + count * 2) return undefined
  if (sign !== 0 && sign !== NUMERIC_NEGATIVE) return NUMERIC_SPECIAL_HASH
  const scale = scaleOf(typeModifier)
  if (scale !== undefined && value.readUInt16BE(6) > scale) return undefined
  const digits = Array.from({ length: count }, (_, i) => value.readUInt16BE(8 + i * 2))
  return hashNumericDigits(digits, value.readInt16BE(2))
}
