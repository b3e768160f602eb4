import { ProtocolError } from '../base/errors.ts'
import { FrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { Frontend } from './message-codes.ts'

// Each message: its layout in the manual's notation (without type and length), a reader, a writer.
// Buffers in what readers return alias the frame.

/** String(query) */
export type Query = { readonly text: Buffer }

export function readQuery(frame: Buffer): Query {
  const body = new FrameCursor(frame)
  const text = body.cstringBytes()
  body.end()
  return { text }
}

export function writeQuery(out: FrameWriter, text: string | Buffer): void {
  const message = out.begin(Frontend.query)
  out.cstring(text)
  out.end(message)
}

/** String(name) String(query) Int16(n) Int32[n](parameter type OIDs; 0 = unspecified) */
export type Parse = {
  readonly name: string
  readonly text: Buffer
  readonly parameterTypes: readonly number[]
}

export function readParse(frame: Buffer): Parse {
  const body = new FrameCursor(frame)
  const name = body.cstring()
  const text = body.cstringBytes()
  const parameterTypes = body.list(() => body.uint32())
  body.end()
  return { name, text, parameterTypes }
}

export type ParseToWrite = {
  readonly name: string
  readonly text: string | Buffer
  readonly parameterTypes?: readonly number[]
}

export function writeParse(out: FrameWriter, { name, text, parameterTypes = [] }: ParseToWrite) {
  const message = out.begin(Frontend.parse)
  out.cstring(name)
  out.cstring(text)
  out.int16(parameterTypes.length)
  for (const type of parameterTypes) out.int32(type)
  out.end(message)
}

/** String(portal) String(statement) Int16[](formats) (Int32 length, bytes)[](values) Int16[](result formats) */
export type Bind = {
  readonly portal: string
  readonly statement: string
  /** None: all text; one: for all; else one each. */
  readonly formats: readonly number[]
  /** undefined = NULL */
  readonly values: readonly (Buffer | undefined)[]
  readonly resultFormats: readonly number[]
}

export function readBind(frame: Buffer): Bind {
  const body = new FrameCursor(frame)
  const portal = body.cstring()
  const statement = body.cstring()
  const formats = body.list(() => body.int16())
  const values = body.list(() => body.value())
  const resultFormats = body.list(() => body.int16())
  body.end()
  if (formats.length > 1 && formats.length !== values.length) {
    throw new ProtocolError(
      `bind message has ${formats.length} parameter formats but ${values.length} parameters`,
      { severity: 'ERROR' },
    )
  }
  return { portal, statement, formats, values, resultFormats }
}

export function writeBind(out: FrameWriter, bind: Bind): void {
  const message = out.begin(Frontend.bind)
  out.cstring(bind.portal)
  out.cstring(bind.statement)
  writeBindValues(out, bind)
  out.end(message)
}

/** What stands behind the names in a Bind. */
export function writeBindValues(
  out: FrameWriter,
  bind: Pick<Bind, 'formats' | 'values' | 'resultFormats'>,
): void {
  writeFormats(out, bind.formats)
  out.int16(bind.values.length)
  for (const value of bind.values) out.value(value)
  writeFormats(out, bind.resultFormats)
}

function writeFormats(out: FrameWriter, formats: readonly number[]): void {
  out.int16(formats.length)
  for (const format of formats) out.int16(format)
}

/** What Describe and Close name. */
export type TargetKind = 'statement' | 'portal'

/** Byte1('S' or 'P') String(name) */
export type Target = { readonly kind: TargetKind; readonly name: string }

const STATEMENT = 0x53
const PORTAL = 0x50

function readTarget(frame: Buffer, messageName: string): Target {
  const body = new FrameCursor(frame)
  const kind = body.byte()
  const name = body.cstring()
  body.end()
  if (kind !== STATEMENT && kind !== PORTAL) {
    throw new ProtocolError(`invalid ${messageName} message subtype ${kind}`, { severity: 'ERROR' })
  }
  return { kind: kind === STATEMENT ? 'statement' : 'portal', name }
}

function writeTarget(out: FrameWriter, type: number, { kind, name }: Target): void {
  const message = out.begin(type)
  out.byte(kind === 'statement' ? STATEMENT : PORTAL)
  out.cstring(name)
  out.end(message)
}

export function readDescribe(frame: Buffer): Target {
  return readTarget(frame, 'DESCRIBE')
}

export function writeDescribe(out: FrameWriter, target: Target): void {
  writeTarget(out, Frontend.describe, target)
}

export function readClose(frame: Buffer): Target {
  return readTarget(frame, 'CLOSE')
}

export function writeClose(out: FrameWriter, target: Target): void {
  writeTarget(out, Frontend.close, target)
}

/** String(portal) Int32(most rows; 0 = all) */
export type Execute = { readonly portal: string; readonly maxRows: number }

export function readExecute(frame: Buffer): Execute {
  const body = new FrameCursor(frame)
  const portal = body.cstring()
  // Postgres: zero or a negative number means all rows
  const maxRows = Math.max(0, body.int32())
  body.end()
  return { portal, maxRows }
}

export function writeExecute(out: FrameWriter, { portal, maxRows }: Execute): void {
  const message = out.begin(Frontend.execute)
  out.cstring(portal)
  out.int32(maxRows)
  out.end(message)
}

/** Int32(function OID) Int16[](formats) (Int32 length, bytes)[](arguments) Int16(result format) */
export type FunctionCall = {
  readonly functionOid: number
  readonly formats: readonly number[]
  readonly arguments: readonly (Buffer | undefined)[]
  readonly resultFormat: number
}

export function readFunctionCall(frame: Buffer): FunctionCall {
  const body = new FrameCursor(frame)
  const functionOid = body.uint32()
  const formats = body.list(() => body.int16())
  const values = body.list(() => body.value())
  const resultFormat = body.int16()
  body.end()
  return { functionOid, formats, arguments: values, resultFormat }
}

export function writeSync(out: FrameWriter): void {
  out.empty(Frontend.sync)
}

export function writeFlush(out: FrameWriter): void {
  out.empty(Frontend.flush)
}

export function writeTerminate(out: FrameWriter): void {
  out.empty(Frontend.terminate)
}

/** Sync, Flush, Terminate and CopyDone have no body. */
export function readEmpty(frame: Buffer): void {
  new FrameCursor(frame).end()
}
