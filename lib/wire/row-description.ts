import { FrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { Backend } from './message-codes.ts'

/** String(name) Int32(table OID) Int16(attribute) Int32(type OID) Int16(size) Int32(modifier) Int16(format) */
export type FieldDescription = {
  readonly name: string
  /** 0: not a column of a table. */
  readonly tableOid: number
  readonly attributeNumber: number
  readonly typeOid: number
  /** pg_type.typlen; negative: variable. */
  readonly typeSize: number
  readonly typeModifier: number
  /** 0 text, 1 binary. */
  readonly format: number
}

/** Int16(n) and n fields */
export function readRowDescription(frame: Buffer): FieldDescription[] {
  const body = new FrameCursor(frame)
  const fields = body.list(() => ({
    name: body.cstring(),
    tableOid: body.uint32(),
    attributeNumber: body.int16(),
    typeOid: body.uint32(),
    typeSize: body.int16(),
    typeModifier: body.int32(),
    format: body.int16(),
  }))
  body.end()
  return fields
}

export function writeRowDescription(out: FrameWriter, fields: readonly FieldDescription[]): void {
  const message = out.begin(Backend.rowDescription)
  out.int16(fields.length)
  for (const field of fields) {
    out.cstring(field.name)
    out.int32(field.tableOid)
    out.int16(field.attributeNumber)
    out.int32(field.typeOid)
    out.int16(field.typeSize)
    out.int32(field.typeModifier)
    out.int16(field.format)
  }
  out.end(message)
}

/** Int16(n) Int32[n](type OIDs) */
export function readParameterDescription(frame: Buffer): number[] {
  const body = new FrameCursor(frame)
  const types = body.list(() => body.uint32())
  body.end()
  return types
}

export function writeParameterDescription(out: FrameWriter, types: readonly number[]): void {
  const message = out.begin(Backend.parameterDescription)
  out.int16(types.length)
  for (const type of types) out.int32(type)
  out.end(message)
}
