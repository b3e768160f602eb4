import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolError, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import {
  hmac,
  MAX_ITERATIONS,
  makeScramKeys,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramKeys,
  sha256,
} from './scram-secret.ts'

const NONCE_BYTES = 18
/** A hostile server must not make us compute for minutes or build huge strings. */
const MAX_NONCE_CHARACTERS = 512
const MAX_SALT_BYTES = 256
const MAX_MESSAGE_CHARACTERS = 2048

const SERVER_FIRST = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,8})(?:,.*)?$/
/** A final message of the server that carries no signature but the reason for which it refuses. */
const SERVER_ERROR = /^e=([\x21-\x2b\x2d-\x7e]{1,64})$/

/** A password, or the keys that were made of it for one secret. */
export type ScramClientSecret = string | ScramKeys

export type ScramClientOptions = {
  /** What binds to the TLS connection: of the server's certificate. undefined: no TLS, or a certificate without a hash. */
  readonly channelBinding?: Buffer | undefined
  /** What the server offers. */
  readonly mechanisms?: readonly string[]
  readonly nonce?: string
}

/**
 * The client's end of one SCRAM-SHA-256 conversation (RFC 5802 and 7677), with channel binding where both ends have it:
 * firstMessage -> finalMessage(server's first) -> verify(server's final). Each step is to be called once.
 */
export class ScramClient {
  readonly mechanism: string
  readonly #secret: ScramClientSecret
  readonly #nonce: string
  readonly #gs2Header: string
  readonly #bindingData: Buffer
  /** Known after finalMessage(). */
  #serverSignature: Buffer | undefined

  /** Throws when the server offers no mechanism that we have. */
  constructor(secret: ScramClientSecret, options: ScramClientOptions = {}) {
    const { channelBinding, mechanisms = [SCRAM_SHA_256] } = options
    const binds = channelBinding !== undefined && mechanisms.includes(SCRAM_SHA_256_PLUS)
    if (!binds && !mechanisms.includes(SCRAM_SHA_256)) {
      throw new ProtocolError('server offers no SASL mechanism that is supported')
    }
    this.mechanism = binds ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256
    this.#secret = secret
    this.#nonce = options.nonce ?? randomBytes(NONCE_BYTES).toString('base64')
    this.#gs2Header = gs2Header(binds, channelBinding)
    this.#bindingData = binds ? channelBinding : Buffer.alloc(0)
  }

  /** The user's name stays empty: Postgres takes it from the startup packet. */
  firstMessage(): string {
    return `${this.#gs2Header}n=,r=${this.#nonce}`
  }

  async finalMessage(serverFirst: string): Promise<string> {
    const { nonce, salt, iterations } = this.#readServerFirst(serverFirst)
    const binding = Buffer.concat([Buffer.from(this.#gs2Header), this.#bindingData])
    const withoutProof = `c=${binding.toString('base64')},r=${nonce}`
    const transcript = `n=,r=${this.#nonce},${serverFirst},${withoutProof}`
    const { clientKey, serverKey } = await this.#keysFor(salt, iterations)
    const clientSignature = hmac(sha256(clientKey), transcript)
    this.#serverSignature = hmac(serverKey, transcript)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (clientSignature[i] ?? 0)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  /** Throws unless the server has proved that it knows the password too. */
  verify(serverFinal: string): void {
    const refusal = SERVER_ERROR.exec(serverFinal)
    if (refusal !== null) {
      throw new ProtocolError(`server refused the SCRAM exchange: ${refusal[1]}`)
    }
    const signature = Buffer.from(/^v=([A-Za-z0-9+/=]+)$/.exec(serverFinal)?.[1] ?? '', 'base64')
    const expected = this.#serverSignature
    if (expected === undefined || signature.length !== expected.length) throw malformed()
    if (!timingSafeEqual(signature, expected)) throw new ProtocolError('incorrect server signature')
  }

  async #keysFor(salt: Buffer, iterations: number): Promise<ScramKeys> {
    const secret = this.#secret
    if (typeof secret === 'string') return await makeScramKeys(secret, salt, iterations)
    if (secret.iterations === iterations && secret.salt.equals(salt)) return secret
    throw new RouterError(
      SqlState.invalidPassword,
      'the SCRAM secret known to the proxy is not the one of the server',
      { hint: 'Both must be the same text, salt and iterations included: copy rolpassword.' },
    )
  }

  #readServerFirst(message: string): { nonce: string; salt: Buffer; iterations: number } {
    if (message.length > MAX_MESSAGE_CHARACTERS) throw malformed()
    const [, nonce = '', saltText = '', iterationsText = ''] = SERVER_FIRST.exec(message) ?? []
    const salt = Buffer.from(saltText, 'base64')
    const iterations = Number(iterationsText)
    const isSound =
      nonce.startsWith(this.#nonce) &&
      nonce.length > this.#nonce.length &&
      nonce.length <= MAX_NONCE_CHARACTERS &&
      salt.length > 0 &&
      salt.length <= MAX_SALT_BYTES &&
      iterations <= MAX_ITERATIONS
    if (!isSound) throw malformed()
    return { nonce, salt, iterations }
  }
}

/** y: we could bind, but the server doesn't offer it; it may find out that its offer was cut short. */
function gs2Header(binds: boolean, channelBinding: Buffer | undefined): string {
  if (binds) return 'p=tls-server-end-point,,'
  return channelBinding === undefined ? 'n,,' : 'y,,'
}

function malformed(): ProtocolError {
  return new ProtocolError('malformed SCRAM message of the server')
}
