import { ProtocolError } from '../base/errors.ts'
import { FrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { Backend, Frontend } from './message-codes.ts'

const Code = {
  ok: 0,
  cleartextPassword: 3,
  md5Password: 5,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
}

/** Int32(code) and what the code says. */
export type SupportedAuthentication =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartext-password' }
  | { readonly kind: 'md5-password'; readonly salt: Buffer }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'sasl-continue'; readonly data: Buffer }
  | { readonly kind: 'sasl-final'; readonly data: Buffer }

export type Authentication =
  | SupportedAuthentication
  | { readonly kind: 'unsupported'; readonly code: number }

export function readAuthentication(frame: Buffer): Authentication {
  const body = new FrameCursor(frame)
  const code = body.int32()
  const authentication = readByCode(code, body)
  body.end()
  return authentication
}

function readByCode(code: number, body: FrameCursor): Authentication {
  switch (code) {
    case Code.ok:
      return { kind: 'ok' }
    case Code.cleartextPassword:
      return { kind: 'cleartext-password' }
    case Code.md5Password:
      return { kind: 'md5-password', salt: Buffer.from(body.bytes(4)) }
    case Code.sasl:
      return { kind: 'sasl', mechanisms: readMechanisms(body) }
    case Code.saslContinue:
      return { kind: 'sasl-continue', data: Buffer.from(body.rest()) }
    case Code.saslFinal:
      return { kind: 'sasl-final', data: Buffer.from(body.rest()) }
    default:
      body.rest()
      return { kind: 'unsupported', code }
  }
}

function readMechanisms(body: FrameCursor): string[] {
  const mechanisms: string[] = []
  for (let name = body.cstring(); name !== ''; name = body.cstring()) mechanisms.push(name)
  return mechanisms
}

export function writeAuthentication(
  out: FrameWriter,
  authentication: SupportedAuthentication,
): void {
  const message = out.begin(Backend.authentication)
  switch (authentication.kind) {
    case 'ok':
      out.int32(Code.ok)
      break
    case 'cleartext-password':
      out.int32(Code.cleartextPassword)
      break
    case 'md5-password':
      out.int32(Code.md5Password)
      out.bytes(authentication.salt)
      break
    case 'sasl':
      out.int32(Code.sasl)
      for (const mechanism of authentication.mechanisms) out.cstring(mechanism)
      out.byte(0)
      break
    case 'sasl-continue':
      out.int32(Code.saslContinue)
      out.bytes(authentication.data)
      break
    case 'sasl-final':
      out.int32(Code.saslFinal)
      out.bytes(authentication.data)
      break
  }
  out.end(message)
}

/** String(password) */
export function readPasswordMessage(frame: Buffer): string {
  const body = new FrameCursor(frame)
  const password = body.cstring()
  body.end()
  return password
}

export function writePasswordMessage(out: FrameWriter, password: string): void {
  const message = out.begin(Frontend.password)
  out.cstring(password)
  out.end(message)
}

/** String(mechanism) Int32 length, bytes; -1: no initial response */
export type SaslInitialResponse = {
  readonly mechanism: string
  readonly data: Buffer | undefined
}

export function readSaslInitialResponse(frame: Buffer): SaslInitialResponse {
  const body = new FrameCursor(frame)
  const mechanism = body.cstring()
  const data = body.value()
  body.end()
  return { mechanism, data }
}

export function writeSaslInitialResponse(
  out: FrameWriter,
  { mechanism, data }: SaslInitialResponse,
): void {
  const message = out.begin(Frontend.password)
  out.cstring(mechanism)
  out.value(data)
  out.end(message)
}

/** The body is the response. */
export function readSaslResponse(frame: Buffer): Buffer {
  const data = new FrameCursor(frame).rest()
  if (data.length === 0) throw new ProtocolError('malformed SCRAM message')
  return data
}

export function writeSaslResponse(out: FrameWriter, data: Buffer): void {
  const message = out.begin(Frontend.password)
  out.bytes(data)
  out.end(message)
}
