import { inetBytes } from './key-address.ts'
import { hashOfInterval, hashOfTime, offsetMinutes } from './key-times.ts'
import {
  hashBpchar,
  hashBytes,
  hashFloat,
  hashInt8Digits,
  hashNumericDigits,
  hashSafeInteger,
  hashText,
  hashUint32,
  NUMERIC_SPECIAL_HASH,
} from './pg-hash.ts'
import { TypeOid } from './type-oid.ts'

/**
 * Hash of a text that is the input of type `typeOid`, read exactly as Postgres' input function would whatever
 * DateStyle and TimeZone are. undefined: not that type's, or a form whose reading we leave to Postgres.
 */
export function hashOfText(
  typeOid: number,
  typeModifier: number,
  text: string,
): number | undefined {
  switch (typeOid) {
    case TypeOid.int2:
    case TypeOid.int4:
    case TypeOid.int8:
      return hashOfInteger(typeOid, text)
    case TypeOid.oid:
      return /^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff
        ? hashUint32(Number(text) | 0)
        : undefined
    case TypeOid.text:
    case TypeOid.varchar:
      return isTextSafe(text, typeModifier) ? hashText(text) : undefined
    case TypeOid.bpchar:
      return isTextSafe(text, -1) ? hashBpchar(Buffer.from(text)) : undefined
    case TypeOid.uuid:
      return hashOfUuid(text)
    case TypeOid.bool:
      return hashOfBool(text)
    case TypeOid.bytea:
      return /^\\x(?:[0-9a-fA-F]{2})*$/.test(text)
        ? hashBytes(Buffer.from(text.slice(2), 'hex'))
        : undefined
    case TypeOid.date:
      return hashOfDate(text)
    case TypeOid.timestamp:
    case TypeOid.timestamptz:
      return hashOfTimestamp(typeOid === TypeOid.timestamptz, typeModifier, text)
    case TypeOid.float4:
    case TypeOid.float8:
      return hashOfFloat(typeOid, text)
    case TypeOid.numeric:
      return hashOfNumeric(text, typeModifier)
    case TypeOid.name:
      return isTextSafe(text, -1) && Buffer.byteLength(text) < NAME_BYTES
        ? hashText(text)
        : undefined
    default:
      return hashOfSpecial(typeOid, typeModifier, text)
  }
}

/** NAMEDATALEN: longer ones are cut. */
export const NAME_BYTES = 64

function hashOfSpecial(typeOid: number, typeModifier: number, text: string): number | undefined {
  switch (typeOid) {
    case TypeOid.time:
    case TypeOid.timetz:
      return hashOfTime(typeOid === TypeOid.timetz, typeModifier, text)
    case TypeOid.interval:
      return typeModifier < 0 ? hashOfInterval(text) : undefined
    case TypeOid.inet:
    case TypeOid.cidr:
      return hashOfInet(text, typeOid === TypeOid.cidr)
    case TypeOid.macaddr:
      return MACADDR.test(text) ? hashHex(text) : undefined
    case TypeOid.macaddr8:
      return MACADDR8.test(text) ? hashHex(text) : undefined
    default:
      return undefined
  }
}

const MACADDR = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i
const MACADDR8 = /^[0-9a-f]{2}(?::[0-9a-f]{2}){7}$/i

function hashHex(text: string): number {
  return hashBytes(Buffer.from(text.replaceAll(':', ''), 'hex'))
}

function hashOfInet(text: string, isCidr: boolean): number | undefined {
  const bytes = inetBytes(text, isCidr)
  return bytes === undefined ? undefined : hashBytes(bytes)
}

/** isspace() of the C locale on both sides, as the input functions of numbers skip it. */
const INTEGER = /^[ \t\n\v\f\r]*([+-]?)0*(\d+)[ \t\n\v\f\r]*$/
const INT8_MAX = '9223372036854775807'

function hashOfInteger(typeOid: number, text: string): number | undefined {
  const digits = plainDigits(text)
  if (digits === undefined) return hashOfSpelledInteger(typeOid, text)
  return typeOid === TypeOid.int8 ? hashSafeInteger(digits) : hashOfSmall(typeOid, digits)
}

/** As nearly all are written: a few digits and nothing else. */
function plainDigits(text: string): number | undefined {
  const { length } = text
  if (length === 0 || length > 15) return undefined
  let value = 0
  for (let at = 0; at < length; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

/** int2 and int4 hash alike. */
function hashOfSmall(typeOid: number, value: number): number | undefined {
  const limit = typeOid === TypeOid.int2 ? 32768 : 2147483648
  return value >= -limit && value < limit ? hashUint32(value) : undefined
}

function hashOfSpelledInteger(typeOid: number, text: string): number | undefined {
  const match = INTEGER.exec(text)
  if (match === null) return undefined
  const [, sign, digits = ''] = match
  const isNegative = sign === '-'
  if (digits.length <= 15) {
    const value = isNegative ? -Number(digits) : Number(digits)
    if (typeOid === TypeOid.int8) return hashSafeInteger(value)
    return hashOfSmall(typeOid, value)
  }
  // -2^63 itself is left to Postgres.
  if (typeOid !== TypeOid.int8 || digits.length > 19) return undefined
  if (digits.length === 19 && digits > INT8_MAX) return undefined
  return hashInt8Digits(digits, isNegative)
}

/**
 * U+FFFD may stand for bytes that did not decode; a varchar(n) silently drops blanks beyond n characters
 * (the length in UTF-16 units is at least that in characters).
 */
function isTextSafe(text: string, typeModifier: number): boolean {
  if (text.includes('\ufffd')) return false
  return typeModifier < 4 || text.length <= typeModifier - 4
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$|^[0-9a-f]{32}$/i

function hashOfUuid(text: string): number | undefined {
  return UUID.test(text) ? hashBytes(Buffer.from(text.replaceAll('-', ''), 'hex')) : undefined
}

/** Unique prefixes of true, false, yes and no; on, off (and `of`); 1, 0. */
const TRUE: ReadonlySet<string> = new Set('t tr tru true y ye yes on 1'.split(' '))
const FALSE: ReadonlySet<string> = new Set('f fa fal fals false n no of off 0'.split(' '))

function hashOfBool(text: string): number | undefined {
  const word = text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '').toLowerCase()
  if (TRUE.has(word)) return hashUint32(1)
  return FALSE.has(word) ? hashUint32(0) : undefined
}

const MS_PER_DAY = 86_400_000
/** 2000-01-01, the origin of Postgres' dates. */
const POSTGRES_EPOCH_MS = 946_684_800_000

/** Days since 2000-01-01, or undefined when there is no such day. */
function dayNumber(year: number, month: number, day: number): number | undefined {
  const date = new Date(Date.UTC(year, month - 1, day))
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  return (date.getTime() - POSTGRES_EPOCH_MS) / MS_PER_DAY
}

const DATE = /^([1-9]\d{3})-(\d\d)-(\d\d)$/

function hashOfDate(text: string): number | undefined {
  const match = DATE.exec(text)
  if (match === null) return undefined
  const days = dayNumber(Number(match[1]), Number(match[2]), Number(match[3]))
  return days === undefined ? undefined : hashUint32(days)
}

const TIMESTAMP =
  /^([1-9]\d{3})-(\d\d)-(\d\d)(?:[ T]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,6}))?)?)?(?: ?(Z|[+-]\d\d(?::?[0-5]\d)?))?$/

/** A timestamptz needs its offset in the text, else TimeZone decides; a timestamp must not have one. */
function hashOfTimestamp(hasZone: boolean, typeModifier: number, text: string): number | undefined {
  const match = TIMESTAMP.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hours, minutes = '0', seconds = '0', fraction = '', zone] = match
  if ((zone !== undefined) !== hasZone || (hasZone && hours === undefined)) return undefined
  if (typeModifier >= 0 && fraction.length > typeModifier) return undefined
  const days = dayNumber(Number(year), Number(month), Number(day))
  if (days === undefined) return undefined
  const offset = zone === undefined ? 0 : offsetMinutes(zone)
  if (offset === undefined) return undefined
  const wallMinutes = Number(hours ?? '0') * 60 + Number(minutes)
  const wallSeconds = days * 86_400 + (wallMinutes - offset) * 60 + Number(seconds)
  return hashSafeInteger(wallSeconds * 1_000_000 + Number(fraction.padEnd(6, '0')))
}

const DECIMAL = /^[ \t\n\v\f\r]*([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?[ \t\n\v\f\r]*$/
const FLOAT4_SMALLEST_NORMAL = 1.1754943508222875e-38
const FLOAT4_LARGEST = 3.4028234663852886e38

const float = new Float64Array(1)
const floatBits = new Uint32Array(float.buffer)

function hashOfFloat(typeOid: number, text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined
  const value = Number(text)
  if (value === 0) return /[1-9]/.test(text.replace(/[eE].*/s, '')) ? undefined : 0
  if (!Number.isFinite(value) || Math.abs(value) < 1e-300) return undefined
  if (typeOid === TypeOid.float8) return hashFloat(value)
  const magnitude = Math.abs(value)
  if (magnitude < FLOAT4_SMALLEST_NORMAL || magnitude > FLOAT4_LARGEST) return undefined
  // Half-way between two float4: rounding twice, as we would, may differ from rounding once.
  float[0] = value
  if (((floatBits[0] ?? 0) & 0x1fffffff) === 0x10000000) return undefined
  return hashFloat(Math.fround(value))
}

/** Decimals of a numeric(p,s); undefined without one. Negative scales are left to Postgres as scale -1. */
export function scaleOf(typeModifier: number): number | undefined {
  if (typeModifier < 4) return undefined
  const scale = (typeModifier - 4) & 0x7ff
  return scale >= 1024 ? -1 : scale
}

function hashOfNumeric(text: string, typeModifier: number): number | undefined {
  if (/^[ \t\n\v\f\r]*nan[ \t\n\v\f\r]*$/i.test(text)) return NUMERIC_SPECIAL_HASH
  const match = DECIMAL.exec(text)
  if (match === null) return undefined
  const [, , whole = '', fraction = '', exponentText = '0'] = match
  const exponent = Number(exponentText)
  const scale = scaleOf(typeModifier)
  if (scale !== undefined && fraction.length - exponent > scale) return undefined
  const point = whole.length + exponent
  const digits = whole + fraction
  const integral = point > 0 ? digits.slice(0, point).padEnd(point, '0') : ''
  const decimals = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits
  const head = integral.padStart(Math.ceil(integral.length / 4) * 4, '0')
  const tail = decimals.padEnd(Math.ceil(decimals.length / 4) * 4, '0')
  return hashNumericDigits(groupsOfFour(head + tail), head.length / 4 - 1)
}

function groupsOfFour(digits: string): number[] {
  return Array.from({ length: digits.length / 4 }, (_, i) => Number(digits.slice(i * 4, i * 4 + 4)))
}
