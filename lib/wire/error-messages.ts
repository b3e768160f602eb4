import { type ErrorDetails, type RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { FrameCursor } from './frame-cursor.ts'
import { FrameWriter } from './frame-writer.ts'
import { Backend } from './message-codes.ts'

// ErrorResponse and NoticeResponse: (Byte1 field code, String value)* Byte1(0)

/** Fields of an ErrorResponse or NoticeResponse by their code letter: S V C M D H P p q W s t c d n F L R. */
export function errorFields(frame: Buffer): Map<string, string> {
  const body = new FrameCursor(frame)
  const fields = new Map<string, string>()
  for (let code = body.byte(); code !== 0; code = body.byte()) {
    fields.set(String.fromCharCode(code), body.cstring())
  }
  body.end()
  return fields
}

/** The error that a server's ErrorResponse stands for; the frame is copied. What it lacks is made up (CVE-2026-6666). */
export function serverError(frame: Buffer): ServerError {
  const fields = errorFields(frame)
  const isWhole = ['S', 'C', 'M'].every((field) => fields.has(field))
  const severity = fields.get('S') ?? 'ERROR'
  const sqlState = fields.get('C') ?? SqlState.internalError
  const message = fields.get('M') ?? 'the server gave no reason'
  const whole = isWhole ? Buffer.from(frame) : completed(fields, { severity, sqlState, message })
  return new ServerError(whole, sqlState, message, {
    severity: severityOf(fields.get('V') ?? fields.get('S')),
    ...optional('detail', fields.get('D')),
    ...optional('hint', fields.get('H')),
    ...optionalPosition(fields.get('P')),
  })
}

function completed(
  fields: ReadonlyMap<string, string>,
  { severity, sqlState, message }: Record<'severity' | 'sqlState' | 'message', string>,
): Buffer {
  const out = new FrameWriter()
  writeFields(
    out,
    Backend.errorResponse,
    new Map([['S', severity], ['V', severity], ['C', sqlState], ['M', message], ...fields]),
  )
  return out.take()
}

function severityOf(text: string | undefined): 'ERROR' | 'FATAL' | 'PANIC' {
  return text === 'FATAL' || text === 'PANIC' ? text : 'ERROR'
}

function optional(key: 'detail' | 'hint', value: string | undefined): ErrorDetails {
  return value === undefined ? {} : { [key]: value }
}

function optionalPosition(text: string | undefined): ErrorDetails {
  return text === undefined ? {} : { position: Number(text) }
}

/** A ServerError goes out byte for byte, anything else as fields of our own. */
export function writeError(out: FrameWriter, error: RouterError): void {
  if (error instanceof ServerError) {
    out.bytes(error.frame)
    return
  }
  writeFields(out, Backend.errorResponse, [
    ['S', error.severity],
    ['V', error.severity],
    ['C', error.sqlState],
    ['M', error.message],
    ['D', error.detail],
    ['H', error.hint],
    ['P', error.position?.toString()],
    ['W', error.context],
  ])
}

export type Notice = {
  readonly severity: 'WARNING' | 'NOTICE' | 'DEBUG' | 'INFO' | 'LOG'
  readonly sqlState?: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

export function writeNotice(out: FrameWriter, notice: Notice): void {
  writeFields(out, Backend.noticeResponse, [
    ['S', notice.severity],
    ['V', notice.severity],
    ['C', notice.sqlState ?? (notice.severity === 'WARNING' ? '01000' : '00000')],
    ['M', notice.message],
    ['D', notice.detail],
    ['H', notice.hint],
  ])
}

/** Writes an ErrorResponse or NoticeResponse of any fields; undefined values are left out. */
export function writeFields(
  out: FrameWriter,
  type: number,
  fields: Iterable<readonly [string, string | undefined]>,
): void {
  const message = out.begin(type)
  for (const [code, value] of fields) {
    if (value === undefined) continue
    out.byte(code.charCodeAt(0))
    // a zero byte would end the field and let the rest be read as other fields
    out.cstring(value.replaceAll('\0', ''))
  }
  out.byte(0)
  out.end(message)
}
