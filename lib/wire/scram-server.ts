import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolError } from '../base/errors.ts'
import {
  hmac,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramKeys,
  type ScramSecret,
  sha256,
} from './scram-secret.ts'

const NONCE_BYTES = 18
/** Postgres' PG_MAX_SASL_MESSAGE_LENGTH is 1024 for the whole message. */
const MAX_MESSAGE_CHARACTERS = 1024

// gs2 header (channel binding flag, no authorization identity), then the bare message; the name is ignored as Postgres does
const CLIENT_FIRST = /^((n|y|p=tls-server-end-point),,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)$/

export type ScramServerOptions = {
  /** Of our certificate (tls-server-end-point). undefined: not over TLS, SCRAM-SHA-256-PLUS isn't offered. */
  readonly channelBinding?: Buffer | undefined
  readonly nonce?: string
}

/** The client has proved that it knows the password. */
export type ScramProof = { readonly message: string; readonly keys: ScramKeys }

/**
 * The server's end of one SCRAM-SHA-256 conversation: firstMessage(client's first) -> finalMessage(client's final),
 * which is undefined when the proof is wrong. Malformed messages throw.
 */
export class ScramServer {
  readonly #secret: ScramSecret
  readonly #serverNonce: string
  readonly #channelBinding: Buffer | undefined
  /** What the client must repeat: the gs2 header, and the channel binding data if it uses them. */
  #bindingInput: Buffer = Buffer.alloc(0)
  #nonce = ''
  #clientFirstBare = ''
  #serverFirst = ''

  constructor(secret: ScramSecret, options: ScramServerOptions = {}) {
    this.#secret = secret
    this.#serverNonce = options.nonce ?? randomBytes(NONCE_BYTES).toString('base64')
    this.#channelBinding = options.channelBinding
  }

  get mechanisms(): readonly string[] {
    return this.#channelBinding === undefined
      ? [SCRAM_SHA_256]
      : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]
  }

  firstMessage(clientFirst: string, mechanism: string = SCRAM_SHA_256): string {
    if (!this.mechanisms.includes(mechanism)) {
      throw new ProtocolError('client selected an invalid SASL authentication mechanism')
    }
    const match =
      clientFirst.length > MAX_MESSAGE_CHARACTERS ? null : CLIENT_FIRST.exec(clientFirst)
    if (match === null || this.#serverFirst !== '') throw malformed()
    const [, gs2Header = '', flag = '', bare = '', clientNonce = ''] = match
    // m= announces an extension that we must not ignore
    if (bare.startsWith('m=')) throw malformed()
    this.#bindingInput = this.#expectedBinding(gs2Header, flag, mechanism)
    const { salt, iterations } = this.#secret
    this.#clientFirstBare = bare
    this.#nonce = clientNonce + this.#serverNonce
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`
    return this.#serverFirst
  }

  finalMessage(clientFinal: string): ScramProof | undefined {
    const match =
      clientFinal.length > MAX_MESSAGE_CHARACTERS ? null : CLIENT_FINAL.exec(clientFinal)
    if (match === null || this.#serverFirst === '') throw malformed()
    const [, withoutProof = '', binding = '', nonce = '', proofText = ''] = match
    const proof = Buffer.from(proofText, 'base64')
    const { iterations, salt, storedKey, serverKey, isFake } = this.#secret
    if (nonce !== this.#nonce || proof.length !== storedKey.length) throw malformed()
    if (!Buffer.from(binding, 'base64').equals(this.#bindingInput)) {
      throw new ProtocolError('SCRAM channel binding check failed')
    }
    const transcript = `${this.#clientFirstBare},${this.#serverFirst},${withoutProof}`
    const signature = hmac(storedKey, transcript)
    const clientKey = Buffer.from(proof.map((byte, i) => byte ^ (signature[i] ?? 0)))
    const isProved = timingSafeEqual(sha256(clientKey), storedKey)
    if (!isProved || isFake) return undefined
    const message = `v=${hmac(serverKey, transcript).toString('base64')}`
    return { message, keys: { iterations, salt, clientKey, serverKey } }
  }

  #expectedBinding(gs2Header: string, flag: string, mechanism: string): Buffer {
    const header = Buffer.from(gs2Header)
    const usesBinding = mechanism === SCRAM_SHA_256_PLUS
    if (usesBinding !== flag.startsWith('p=')) throw malformed()
    // the client could bind but was told that we can't: someone in between has cut our offer short
    if (flag === 'y' && this.#channelBinding !== undefined) {
      throw new ProtocolError('SCRAM channel binding negotiation error', {
        detail:
          'The client supports SCRAM channel binding but thinks the server does not. However, this server does support channel binding.',
      })
    }
    return usesBinding && this.#channelBinding !== undefined
      ? Buffer.concat([header, this.#channelBinding])
      : header
  }
}

function malformed(): ProtocolError {
  return new ProtocolError('malformed SCRAM message')
}
