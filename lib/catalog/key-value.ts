import type { Column } from './catalog.ts'
import { hashOfBinary } from './key-binary.ts'
import { hashOfText } from './key-text.ts'
import { isHashableType, TypeOid } from './type-oid.ts'

/**
 * A value that is to be compared with, or stored in, the distribution column. `typeOid`: the type it has been
 * declared with (a parameter's); absent or 0 when Postgres would take the text as a literal of the column's type.
 */
export type KeyValue =
  | { readonly text: string; readonly typeOid?: number | undefined }
  | { readonly binary: Buffer; readonly typeOid: number }

/**
 * The hash that Postgres computes for the value once it has the column's type, or undefined when we can't be
 * sure what it becomes: the caller must then visit every shard, or let Postgres evaluate it. Never a guess.
 */
export function hashKey(column: Column, value: KeyValue): number | undefined {
  const declared = value.typeOid ?? 0
  const typeOid = declared === 0 || declared === TypeOid.unknown ? column.typeOid : declared
  if (!isHashableType(column.typeOid) || !comparesByHash(column.typeOid, typeOid)) return undefined
  if ('text' in value) return hashOfText(column.typeOid, column.typeModifier, value.text)
  return hashOfBinary(typeOid, column.typeModifier, value.binary)
}

const INTEGERS: ReadonlySet<number> = new Set([TypeOid.int2, TypeOid.int4, TypeOid.int8])
const STRINGS: ReadonlySet<number> = new Set([TypeOid.text, TypeOid.varchar])

/**
 * Whether equality between the column's type and the value's type, and assignment from one to the other, both
 * respect the hash: the integer types among themselves, text and varchar, float4 into float8.
 */
function comparesByHash(columnType: number, valueType: number): boolean {
  if (columnType === valueType) return true
  if (INTEGERS.has(columnType)) return INTEGERS.has(valueType)
  if (STRINGS.has(columnType)) return STRINGS.has(valueType)
  return columnType === TypeOid.float8 && valueType === TypeOid.float4
}
