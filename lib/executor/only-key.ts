import type { Column } from '../catalog/catalog.ts'
import type { KeyValue } from '../catalog/key-value.ts'
import { TypeOid } from '../catalog/type-oid.ts'
import type { Pin } from '../planner/plan.ts'
import type { KeyReader } from './route.ts'

/** The value of the distribution column, as text, that all of a statement is about. */
export type OneKey = { readonly colocationId: number; readonly text: string }

/** undefined: there are several, or it can't be told how the server would show it. */
export function onlyKey(pins: readonly Pin[], keys: KeyReader): OneKey | undefined {
  let found: OneKey | undefined
  for (const { table, values = [] } of pins) {
    for (const source of values) {
      const value = keys.read(source)
      const text = value === undefined ? undefined : keyText(table.distributionColumn, value)
      if (text === undefined || (found !== undefined && found.text !== text)) return undefined
      found ??= { colocationId: table.colocationId, text }
    }
  }
  return found
}

function keyText(column: Column, value: KeyValue): string | undefined {
  const { typeOid } = column.base ?? column
  const isInteger = typeOid === TypeOid.int2 || typeOid === TypeOid.int4 || typeOid === TypeOid.int8
  if ('text' in value) return isInteger ? integerText(value.text) : value.text
  const { binary } = value
  switch (value.typeOid === 0 ? typeOid : value.typeOid) {
    case TypeOid.int2:
      return binary.length === 2 ? String(binary.readInt16BE()) : undefined
    case TypeOid.int4:
      return binary.length === 4 ? String(binary.readInt32BE()) : undefined
    case TypeOid.int8:
      return binary.length === 8 ? String(binary.readBigInt64BE()) : undefined
    case TypeOid.text:
    case TypeOid.varchar:
      return binary.toString('utf8')
    case TypeOid.uuid:
      return uuidText(binary.toString('hex'))
    default:
      return undefined
  }
}

function integerText(text: string): string | undefined {
  const digits = text.trim()
  return /^[+-]?\d{1,20}$/.test(digits) ? String(BigInt(digits.replace('+', ''))) : undefined
}

function uuidText(hex: string): string | undefined {
  const parts = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(hex)
  return parts?.slice(1).join('-')
}
