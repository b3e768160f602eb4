import { TypeOid } from '../../catalog/type-oid.ts'
import type { FieldDescription } from '../../wire/row-description.ts'
import { quoteLiteral } from '../relay/quoted-schema.ts'

/** Types whose text is the same value again, whatever the session's settings. */
const BY_TEXT: ReadonlySet<number> = new Set([
  TypeOid.bool,
  TypeOid.bytea,
  TypeOid.int8,
  TypeOid.int2,
  TypeOid.int4,
  TypeOid.oid,
  TypeOid.time,
  TypeOid.timetz,
  TypeOid.numeric,
  TypeOid.uuid,
])
const TEXTS: ReadonlySet<number> = new Set([TypeOid.text, TypeOid.varchar, TypeOid.bpchar])

const MS_PER_DAY = 86_400_000
const MICROS_PER_DAY = 86_400_000_000n
/** 2000-01-01, the origin of Postgres' dates. */
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1)

/** From the binary form. undefined: not a day that everybody writes in the same way. */
type Printer = (value: Buffer) => string | undefined

const BY_BINARY: ReadonlyMap<number, Printer> = new Map<number, Printer>([
  [TypeOid.float4, (value) => floatText(value.readFloatBE(0))],
  [TypeOid.float8, (value) => floatText(value.readDoubleBE(0))],
  [TypeOid.date, (value) => dayText(BigInt(value.readInt32BE(0)))],
  [TypeOid.timestamp, (value) => momentText(value.readBigInt64BE(0))],
  [TypeOid.timestamptz, (value) => withZone(momentText(value.readBigInt64BE(0)))],
])

/** What its values are asked for in: 0 text, 1 binary. undefined: they can't be written into a statement. */
export function literalFormat(
  { typeOid }: Pick<FieldDescription, 'typeOid'>,
  takesTexts: boolean,
): 0 | 1 | undefined {
  if (BY_BINARY.has(typeOid)) return 1
  return BY_TEXT.has(typeOid) || (takesTexts && TEXTS.has(typeOid)) ? 0 : undefined
}

/** Of a value in that format, without its type; undefined: there is none that every node reads alike. */
export function literalText(typeOid: number, value: Buffer | undefined): string | undefined {
  if (value === undefined) return 'NULL'
  const print = BY_BINARY.get(typeOid)
  const text = print === undefined ? asciiText(value) : print(value)
  return text === undefined ? undefined : quoteLiteral(text)
}

/** In which encoding others would be read, the client says. */
function asciiText(value: Buffer): string | undefined {
  return value.every((byte) => byte < 0x80) ? value.toString('latin1') : undefined
}

function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function dayText(days: bigint): string | undefined {
  const at = new Date(POSTGRES_EPOCH_MS + Number(days) * MS_PER_DAY)
  const year = at.getUTCFullYear()
  return year >= 1000 && year <= 9999 ? at.toISOString().slice(0, 10) : undefined
}

function momentText(micros: bigint): string | undefined {
  const inDay = ((micros % MICROS_PER_DAY) + MICROS_PER_DAY) % MICROS_PER_DAY
  const day = dayText((micros - inDay) / MICROS_PER_DAY)
  if (day === undefined) return undefined
  const seconds = new Date(Number(inDay / 1000n)).toISOString().slice(11, 19)
  return `${day} ${seconds}.${String(inDay % 1_000_000n).padStart(6, '0')}`
}

function withZone(text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${text}+00`
}
