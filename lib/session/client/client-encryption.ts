import { plainAddress } from '../../auth/address-set.ts'
import type { ClientCertificate } from '../../auth/authenticator.ts'
import { ProtocolError, RouterError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { ALPN_POSTGRESQL } from '../../wire/tls-options.ts'
import type { Peer } from './client-handshake.ts'
import type { ClientSocket } from './client-socket.ts'
import type { ClientTls } from './client-tls.ts'

/**
 * plain -> refused -> plain, or plain -> granted -> securing -> secured. A chunk that asks for encryption must end with its
 * request: what comes after it isn't encrypted, and may be anyone's.
 */
type State = 'plain' | 'refused' | 'granted' | 'securing' | 'secured'

/** First byte of a TLS handshake record. No startup packet begins so: it would be of 352 MB. */
const TLS_HANDSHAKE = 0x16
const GRANTED = Buffer.from('S')
const REFUSED = Buffer.from('N')

/** Whether and how one client's connection is encrypted. */
export class ClientEncryption {
  readonly #socket: ClientSocket
  readonly #tls: ClientTls
  readonly #log: Log
  #state: State = 'plain'
  #hasBegun = false
  #certificate: ClientCertificate | undefined
  #channelBinding: Buffer | undefined

  constructor(socket: ClientSocket, tls: ClientTls, log: Log) {
    this.#socket = socket
    this.#tls = tls
    this.#log = log
  }

  get isSecuring(): boolean {
    return this.#state === 'securing'
  }

  /** Throws when it can't be told any more where a client comes from: it must not pass for one of this machine. */
  peer(): Peer {
    const { isUnix, remoteAddress } = this.#socket
    if (!isUnix && remoteAddress === undefined) {
      throw new RouterError(SqlState.connectionFailure, 'the client is gone', { severity: 'FATAL' })
    }
    return {
      address: remoteAddress === undefined ? undefined : plainAddress(remoteAddress),
      isEncrypted: this.#state === 'secured',
      certificate: this.#certificate,
      channelBinding: this.#channelBinding,
    }
  }

  /** Postgres doesn't encrypt Unix sockets either. */
  requested(kind: 'ssl' | 'gss'): void {
    if (this.#state === 'secured') throw new ProtocolError('encryption requested twice')
    const isGranted = kind === 'ssl' && this.#mayStart()
    this.#state = isGranted ? 'granted' : 'refused'
  }

  /** Called with each chunk before it is read. true: it begins a TLS handshake and isn't to be read by anyone else. */
  takes(chunk: Buffer, length: number): boolean {
    if (this.#hasBegun) return false
    this.#hasBegun = true
    const isDirect = chunk[0] === TLS_HANDSHAKE && this.#mayStart()
    if (isDirect) void this.#secure(Buffer.from(chunk.subarray(0, length)))
    return isDirect
  }

  /** Called with each message but the first of a chunk. */
  checkMessage(): void {
    if (this.#state === 'refused' || this.#state === 'granted') throw bytesAfterRequest()
  }

  /** Called when a chunk is read; `pendingBytes` are the beginning of another message. */
  chunkRead(pendingBytes: number): void {
    if (this.#state !== 'refused' && this.#state !== 'granted') return
    if (pendingBytes > 0) throw bytesAfterRequest()
    if (this.#state === 'refused') {
      this.#state = 'plain'
      this.#socket.write(REFUSED)
    } else {
      this.#socket.write(GRANTED)
      void this.#secure(undefined)
    }
  }

  #mayStart(): boolean {
    return this.#tls.isOffered && !this.#socket.isUnix
  }

  async #secure(first: Buffer | undefined): Promise<void> {
    this.#state = 'securing'
    const peer = `${this.#socket.remoteAddress}:${this.#socket.remotePort}`
    try {
      await this.#socket.upgrade(async (plain) => {
        const { socket, certificate, channelBinding } = await this.#tls.secure(plain)
        if (first !== undefined && socket.alpnProtocol !== ALPN_POSTGRESQL) {
          throw new Error(
            'received direct SSL connection request without ALPN protocol negotiation extension',
          )
        }
        this.#certificate = certificate
        this.#channelBinding = channelBinding
        this.#state = 'secured'
        return socket
      }, first)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.warn('TLS handshake with a client failed', { peer, reason })
      this.#socket.destroy()
    }
  }
}

function bytesAfterRequest(): ProtocolError {
  return new ProtocolError('received unencrypted data after SSL or GSSAPI encryption request', {
    hint: 'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
  })
}
