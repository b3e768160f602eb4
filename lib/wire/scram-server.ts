import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolError } from '../base/errors.ts'
import { hmac, type ScramSecret, sha256 } from './scram-secret.ts'

const NONCE_BYTES = 18
/** Postgres' PG_MAX_SASL_MESSAGE_LENGTH is 1024 for the whole message. */
const MAX_MESSAGE_CHARACTERS = 1024

// gs2 header, then the bare message; the name is ignored as Postgres does
const CLIENT_FIRST = /^([ny],,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)$/

/**
 * The server's end of one SCRAM-SHA-256 conversation (no channel binding): firstMessage(client's first) ->
 * finalMessage(client's final), which is undefined when the proof is wrong. Malformed messages throw.
 */
export class ScramServer {
  readonly #secret: ScramSecret
  readonly #serverNonce: string
  #gs2Header = ''
  #nonce = ''
  #clientFirstBare = ''
  #serverFirst = ''

  constructor(secret: ScramSecret, nonce: string = randomBytes(NONCE_BYTES).toString('base64')) {
    this.#secret = secret
    this.#serverNonce = nonce
  }

  firstMessage(clientFirst: string): string {
    const match =
      clientFirst.length > MAX_MESSAGE_CHARACTERS ? null : CLIENT_FIRST.exec(clientFirst)
    if (match === null || this.#serverFirst !== '') throw malformed()
    const [, gs2Header = '', bare = '', clientNonce = ''] = match
    // m= announces an extension that we must not ignore
    if (bare.startsWith('m=')) throw malformed()
    const { salt, iterations } = this.#secret
    this.#gs2Header = gs2Header
    this.#clientFirstBare = bare
    this.#nonce = clientNonce + this.#serverNonce
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`
    return this.#serverFirst
  }

  finalMessage(clientFinal: string): string | undefined {
    const match =
      clientFinal.length > MAX_MESSAGE_CHARACTERS ? null : CLIENT_FINAL.exec(clientFinal)
    if (match === null || this.#serverFirst === '') throw malformed()
    const [, withoutProof = '', binding = '', nonce = '', proofText = ''] = match
    const proof = Buffer.from(proofText, 'base64')
    const isOurs =
      nonce === this.#nonce &&
      Buffer.from(binding, 'base64').toString('latin1') === this.#gs2Header &&
      proof.length === this.#secret.storedKey.length
    if (!isOurs) throw malformed()
    const transcript = `${this.#clientFirstBare},${this.#serverFirst},${withoutProof}`
    const signature = hmac(this.#secret.storedKey, transcript)
    const clientKey = Buffer.from(proof.map((byte, i) => byte ^ (signature[i] ?? 0)))
    const isProved = timingSafeEqual(sha256(clientKey), this.#secret.storedKey)
    if (!isProved || this.#secret.isFake) return undefined
    return `v=${hmac(this.#secret.serverKey, transcript).toString('base64')}`
  }
}

function malformed(): ProtocolError {
  return new ProtocolError('malformed SCRAM message')
}
