import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolError } from '../base/errors.ts'
import { hmac, saltedPassword, sha256 } from './scram-secret.ts'

const NONCE_BYTES = 18
/** A hostile server must not make us compute for minutes or build huge strings. */
const MAX_NONCE_CHARACTERS = 512
const MAX_ITERATIONS = 1_000_000
const MAX_SALT_BYTES = 256

const SERVER_FIRST = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,8})(?:,.*)?$/

/**
 * The client's end of one SCRAM-SHA-256 conversation (RFC 5802 and 7677) without channel binding:
 * firstMessage -> finalMessage(server's first) -> verify(server's final). Each step is to be called once.
 */
export class ScramClient {
  readonly #password: string
  readonly #nonce: string
  /** Known after finalMessage(). */
  #serverSignature: Buffer | undefined

  constructor(password: string, nonce: string = randomBytes(NONCE_BYTES).toString('base64')) {
    this.#password = password
    this.#nonce = nonce
  }

  /** The user's name stays empty: Postgres takes it from the startup packet. */
  firstMessage(): string {
    return `n,,n=,r=${this.#nonce}`
  }

  async finalMessage(serverFirst: string): Promise<string> {
    const { nonce, salt, iterations } = this.#readServerFirst(serverFirst)
    const withoutProof = `c=biws,r=${nonce}`
    const transcript = `n=,r=${this.#nonce},${serverFirst},${withoutProof}`
    const salted = await saltedPassword(this.#password, salt, iterations)
    const clientKey = hmac(salted, 'Client Key')
    const clientSignature = hmac(sha256(clientKey), transcript)
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), transcript)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (clientSignature[i] ?? 0)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  /** Throws unless the server has proved that it knows the password too. */
  verify(serverFinal: string): void {
    const signature = Buffer.from(/^v=([A-Za-z0-9+/=]+)/.exec(serverFinal)?.[1] ?? '', 'base64')
    const expected = this.#serverSignature
    if (expected === undefined || signature.length !== expected.length) {
      throw new ProtocolError('malformed SCRAM message of the server')
    }
    if (!timingSafeEqual(signature, expected)) throw new ProtocolError('incorrect server signature')
  }

  #readServerFirst(message: string): { nonce: string; salt: Buffer; iterations: number } {
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
    if (!isSound) throw new ProtocolError('malformed SCRAM message of the server')
    return { nonce, salt, iterations }
  }
}
