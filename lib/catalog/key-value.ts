import type { Column, KeyHashing } from './catalog.ts'
import { hashOfBinary } from './key-binary.ts'
import { hashOfText } from './key-text.ts'
import { hashText } from './pg-hash.ts'
import { TypeOid } from './type-oid.ts'

/**
 * A value that is to be compared with, or stored in, the distribution column. `typeOid`: the type it has been
 * declared with (a parameter's); absent or 0 when Postgres would take the text as a literal of the column's type.
 */
export type KeyValue =
  | { readonly text: string; readonly typeOid?: number | undefined }
  | { readonly binary: Buffer; readonly typeOid: number }

/** The type as which values of the column are compared and hashed. */
export function comparedType(column: Column | undefined): number | undefined {
  return column?.base?.typeOid ?? column?.typeOid
}

/**
 * The hash that Postgres computes for the value once it has the column's type, or undefined when we can't be
 * sure what it becomes, or how the type hashes: the caller must then visit every shard, or let Postgres evaluate it. Never a guess.
 */
export function hashKey(column: Column, value: KeyValue): number | undefined {
  const { typeOid, typeModifier } = column.base ?? column
  const declared = value.typeOid ?? 0
  const isUndeclared = declared === 0 || declared === TypeOid.unknown
  const valueType = isUndeclared || declared === column.typeOid ? typeOid : declared
  if (column.hashing !== undefined) return hashOfUserType(column.hashing, value, valueType, typeOid)
  if (!comparesByHash(typeOid, valueType)) return undefined
  if ('text' in value) return hashOfText(typeOid, typeModifier, value.text)
  return hashOfBinary(valueType, typeModifier, value.binary)
}

/** An enum's binary form is its label, and citext's the text; a text that equals a citext is that citext, too. */
function hashOfUserType(
  hashing: KeyHashing,
  value: KeyValue,
  valueType: number,
  typeOid: number,
): number | undefined {
  const isComparable =
    valueType === typeOid || (hashing.kind === 'citext' && STRINGS.has(valueType))
  if (!isComparable) return undefined
  return hashOfLabel(hashing, 'text' in value ? value.text : value.binary.toString('utf8'))
}

export function hashOfLabel(hashing: KeyHashing, text: string): number | undefined {
  if (hashing.kind === 'enum') return hashing.hashes.get(text)
  return isPlain(text) ? hashText(text.toLowerCase()) : undefined
}

/** ASCII without I, which is not i in Turkish, is in any locale lower as it is in JavaScript. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return !text.includes('I')
}

const INTEGERS: ReadonlySet<number> = new Set([TypeOid.int2, TypeOid.int4, TypeOid.int8])
const STRINGS: ReadonlySet<number> = new Set([TypeOid.text, TypeOid.varchar])

/**
 * Whether equality between the column's type and the value's type, and assignment from one to the other, both
 * respect the hash: the integer types among themselves, text and varchar, float4 into float8, cidr into inet.
 */
function comparesByHash(columnType: number, valueType: number): boolean {
  if (columnType === valueType) return true
  if (INTEGERS.has(columnType)) return INTEGERS.has(valueType)
  if (STRINGS.has(columnType)) return STRINGS.has(valueType)
  if (columnType === TypeOid.inet) return valueType === TypeOid.cidr
  return columnType === TypeOid.float8 && valueType === TypeOid.float4
}
