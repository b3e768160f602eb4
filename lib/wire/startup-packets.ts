import { ProtocolError, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { FrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { Backend } from './message-codes.ts'

const CANCEL_REQUEST_CODE = 80_877_102
const SSL_REQUEST_CODE = 80_877_103
const GSSENC_REQUEST_CODE = 80_877_104

export const PROTOCOL_MAJOR = 3
/** The newest minor version that we speak. */
export const PROTOCOL_MINOR = 0
/** Protocol 3.2 allows secret keys of 4 to 256 bytes. */
export const MAX_SECRET_KEY_BYTES = 256
/** Startup parameters with this prefix are protocol extensions; we know none. */
const EXTENSION_PREFIX = '_pq_.'

/** Int32 length, Int32 code, and what the code says. */
export type StartupPacket =
  | StartupMessage
  | CancelRequest
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }

export type StartupMessage = {
  readonly kind: 'startup'
  readonly minorVersion: number
  /** Without protocol extensions. In the client's order; the last of equal names wins. */
  readonly parameters: ReadonlyMap<string, string>
  /** Names of protocol extensions that were asked for (`_pq_.`). */
  readonly extensions: readonly string[]
}

export type CancelRequest = {
  readonly kind: 'cancel-request'
  readonly processId: number
  readonly secretKey: Buffer
}

/** `frame` begins with its length. A private copy is taken of what the result refers to. */
export function readStartupPacket(frame: Buffer): StartupPacket {
  const body = new FrameCursor(frame, 0)
  const code = body.uint32()
  switch (code) {
    case SSL_REQUEST_CODE:
      body.end()
      return { kind: 'ssl-request' }
    case GSSENC_REQUEST_CODE:
      body.end()
      return { kind: 'gssenc-request' }
    case CANCEL_REQUEST_CODE:
      return readCancelRequest(body)
    default:
      return readStartupMessage(code, body)
  }
}

function readCancelRequest(body: FrameCursor): CancelRequest {
  const processId = body.int32()
  const secretKey = Buffer.from(body.rest())
  if (secretKey.length < 4 || secretKey.length > MAX_SECRET_KEY_BYTES) {
    throw new ProtocolError('invalid length of cancel request packet')
  }
  return { kind: 'cancel-request', processId, secretKey }
}

function readStartupMessage(code: number, body: FrameCursor): StartupMessage {
  const major = code >>> 16
  const minor = code & 0xffff
  if (major !== PROTOCOL_MAJOR) {
    throw new RouterError(
      SqlState.featureNotSupported,
      `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.0`,
      { severity: 'FATAL' },
    )
  }
  const parameters = new Map<string, string>()
  const extensions: string[] = []
  for (let name = body.cstring(); name !== ''; name = body.cstring()) {
    const value = body.cstring()
    if (name.startsWith(EXTENSION_PREFIX)) extensions.push(name)
    else parameters.set(name, value)
  }
  if (body.remaining !== 0) {
    throw new ProtocolError('invalid startup packet layout: expected terminator as last byte')
  }
  return { kind: 'startup', minorVersion: minor, parameters, extensions }
}

/** true: the client must be told by NegotiateProtocolVersion what we don't speak. */
export function needsNegotiation({ minorVersion, extensions }: StartupMessage): boolean {
  return minorVersion > PROTOCOL_MINOR || extensions.length > 0
}

/** Byte1('v') Int32 length Int32(newest version) Int32(n) String[n](extensions not known) */
export function writeNegotiateProtocolVersion(
  out: FrameWriter,
  extensions: readonly string[],
): void {
  const message = out.begin(Backend.negotiateProtocolVersion)
  // the whole version, not only its minor part, whatever the manual says: what Postgres sends and libpq reads
  out.int32((PROTOCOL_MAJOR << 16) | PROTOCOL_MINOR)
  out.int32(extensions.length)
  for (const name of extensions) out.cstring(name)
  out.end(message)
}

export function writeStartupMessage(
  out: FrameWriter,
  parameters: Iterable<readonly [string, string]>,
): void {
  const packet = out.beginPacket()
  out.int32((PROTOCOL_MAJOR << 16) | PROTOCOL_MINOR)
  for (const [name, value] of parameters) {
    out.cstring(name)
    out.cstring(value)
  }
  out.byte(0)
  out.end(packet)
}

export function writeCancelRequest(out: FrameWriter, processId: number, secretKey: Buffer): void {
  const packet = out.beginPacket()
  out.int32(CANCEL_REQUEST_CODE)
  out.int32(processId)
  out.bytes(secretKey)
  out.end(packet)
}

export function writeSslRequest(out: FrameWriter): void {
  const packet = out.beginPacket()
  out.int32(SSL_REQUEST_CODE)
  out.end(packet)
}

export function writeGssEncRequest(out: FrameWriter): void {
  const packet = out.beginPacket()
  out.int32(GSSENC_REQUEST_CODE)
  out.end(packet)
}
