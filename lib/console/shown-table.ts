import type { FrameWriter } from '../wire/frame-writer.ts'
import { Backend } from '../wire/message-codes.ts'
import { writeRowDescription } from '../wire/row-description.ts'
import { binaryNumeric } from './binary-numeric.ts'

/** The types that PgBouncer's console sends. */
export type ColumnType = 'text' | 'int4' | 'int8' | 'numeric'

export type Columns = Readonly<Record<string, ColumnType>>

/** Fractions of numbers are cut off; what doesn't fit an int4 is its largest. */
export type ShownValue = string | number | null

export type ShownRow<C extends Columns = Columns> = { readonly [name in keyof C]: ShownValue }

/** Where a table's rows come from is `S`. The order of the columns is that of the keys. */
export type ShownTable<S, C extends Columns = Columns> = {
  readonly columns: C
  readonly rows: (source: S) => Promise<readonly ShownRow<C>[]> | readonly ShownRow<C>[]
}

/** Checks that rows have all columns, then forgets which those are. */
export function shownTable<S, const C extends Columns>(table: ShownTable<S, C>): ShownTable<S> {
  return table
}

const MAX_INT4 = 0x7fff_ffff

const TYPES: Readonly<Record<ColumnType, { readonly oid: number; readonly size: number }>> = {
  text: { oid: 25, size: -1 },
  int4: { oid: 23, size: 4 },
  int8: { oid: 20, size: 8 },
  numeric: { oid: 1700, size: -1 },
}

/** Bind's result formats: none is text, one is for all, else one for each column. */
export function formatOf(formats: readonly number[], index: number): number {
  return (formats.length === 1 ? formats[0] : formats[index]) ?? 0
}

export function writeColumns(
  out: FrameWriter,
  columns: Columns,
  formats: readonly number[] = [],
): void {
  const fields = Object.entries(columns).map(([name, type], index) => ({
    name,
    tableOid: 0,
    attributeNumber: 0,
    typeOid: TYPES[type].oid,
    typeSize: TYPES[type].size,
    typeModifier: -1,
    format: formatOf(formats, index),
  }))
  writeRowDescription(out, fields)
}

export function writeRow(
  out: FrameWriter,
  columns: Columns,
  row: ShownRow,
  formats: readonly number[] = [],
): void {
  const mark = out.begin(Backend.dataRow)
  const entries = Object.entries(columns)
  out.int16(entries.length)
  for (const [index, [name, type]] of entries.entries()) {
    const value = row[name] ?? null
    if (value === null) {
      out.int32(-1)
      continue
    }
    const fitting = fit(value, type)
    const bytes = formatOf(formats, index) === 1 ? binaryOf(fitting, type) : textOf(fitting)
    out.int32(bytes.length)
    out.bytes(bytes)
  }
  out.end(mark)
}

function fit(value: string | number, type: ColumnType): string | bigint {
  if (typeof value === 'string') return value
  return BigInt(Math.trunc(type === 'int4' ? Math.min(value, MAX_INT4) : value))
}

function textOf(value: string | bigint): Buffer {
  return Buffer.from(String(value))
}

function binaryOf(value: string | bigint, type: ColumnType): Buffer {
  if (typeof value === 'string') return Buffer.from(value)
  switch (type) {
    case 'text':
      return textOf(value)
    case 'numeric':
      return binaryNumeric(value)
    case 'int4': {
      const bytes = Buffer.alloc(4)
      bytes.writeInt32BE(Number(value))
      return bytes
    }
    case 'int8': {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64BE(value)
      return bytes
    }
  }
}
