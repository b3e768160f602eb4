import { ProtocolError } from '../base/errors.ts'
import { FrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { Backend, TransactionStatus } from './message-codes.ts'

// Each message: its layout in the manual's notation (without type and length), a reader, a writer.
// Errors are in error-messages.ts, row descriptions in row-description.ts, COPY in copy-messages.ts,
// authentication in authentication-messages.ts.

/** String(name) String(value) */
export type ParameterStatus = { readonly name: string; readonly value: string }

export function readParameterStatus(frame: Buffer): ParameterStatus {
  const body = new FrameCursor(frame)
  const name = body.cstring()
  const value = body.cstring()
  body.end()
  return { name, value }
}

export function writeParameterStatus(out: FrameWriter, { name, value }: ParameterStatus): void {
  const message = out.begin(Backend.parameterStatus)
  out.cstring(name)
  out.cstring(value)
  out.end(message)
}

/** Int32(process id) Byte[4..256](secret key; 4 bytes in protocol 3.0) */
export type BackendKeyData = { readonly processId: number; readonly secretKey: Buffer }

export function readBackendKeyData(frame: Buffer): BackendKeyData {
  const body = new FrameCursor(frame)
  const processId = body.int32()
  const secretKey = Buffer.from(body.rest())
  if (secretKey.length < 4 || secretKey.length > 256) {
    throw new ProtocolError('invalid length of cancellation key')
  }
  return { processId, secretKey }
}

export function writeBackendKeyData(
  out: FrameWriter,
  { processId, secretKey }: BackendKeyData,
): void {
  const message = out.begin(Backend.backendKeyData)
  out.int32(processId)
  out.bytes(secretKey)
  out.end(message)
}

/** Byte1(status: I, T or E) */
export function readReadyForQuery(frame: Buffer): number {
  const body = new FrameCursor(frame)
  const status = body.byte()
  body.end()
  if (!isTransactionStatus(status)) throw new ProtocolError('invalid transaction status')
  return status
}

export function isTransactionStatus(status: number): boolean {
  return (
    status === TransactionStatus.idle ||
    status === TransactionStatus.inTransaction ||
    status === TransactionStatus.failed
  )
}

export function writeReadyForQuery(out: FrameWriter, status: number): void {
  const message = out.begin(Backend.readyForQuery)
  out.byte(status)
  out.end(message)
}

/** String(tag) */
export function readCommandComplete(frame: Buffer): string {
  const body = new FrameCursor(frame)
  const tag = body.cstring()
  body.end()
  return tag
}

export function writeCommandComplete(out: FrameWriter, tag: string): void {
  const message = out.begin(Backend.commandComplete)
  out.cstring(tag)
  out.end(message)
}

/** Int16(n) (Int32 length, bytes)[n] */
export function readDataRow(frame: Buffer): (Buffer | undefined)[] {
  const body = new FrameCursor(frame)
  const values = body.list(() => body.value())
  body.end()
  return values
}

export function writeDataRow(
  out: FrameWriter,
  values: readonly (string | Buffer | undefined)[],
): void {
  const message = out.begin(Backend.dataRow)
  out.int16(values.length)
  for (const value of values) out.value(typeof value === 'string' ? Buffer.from(value) : value)
  out.end(message)
}

/** Int32(process id) String(channel) String(payload) */
export type NotificationResponse = {
  readonly processId: number
  readonly channel: string
  readonly payload: string
}

export function readNotificationResponse(frame: Buffer): NotificationResponse {
  const body = new FrameCursor(frame)
  const processId = body.int32()
  const channel = body.cstring()
  const payload = body.cstring()
  body.end()
  return { processId, channel, payload }
}

export function writeNotificationResponse(out: FrameWriter, notification: NotificationResponse) {
  const message = out.begin(Backend.notificationResponse)
  out.int32(notification.processId)
  out.cstring(notification.channel)
  out.cstring(notification.payload)
  out.end(message)
}

/** Int32 length, bytes; undefined = NULL */
export function readFunctionCallResponse(frame: Buffer): Buffer | undefined {
  const body = new FrameCursor(frame)
  const value = body.value()
  body.end()
  return value
}

export function writeParseComplete(out: FrameWriter): void {
  out.empty(Backend.parseComplete)
}

export function writeBindComplete(out: FrameWriter): void {
  out.empty(Backend.bindComplete)
}

export function writeCloseComplete(out: FrameWriter): void {
  out.empty(Backend.closeComplete)
}

export function writeNoData(out: FrameWriter): void {
  out.empty(Backend.noData)
}

export function writeEmptyQueryResponse(out: FrameWriter): void {
  out.empty(Backend.emptyQueryResponse)
}

export function writePortalSuspended(out: FrameWriter): void {
  out.empty(Backend.portalSuspended)
}
