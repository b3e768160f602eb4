import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { ClientCertificate } from '../../auth/authenticator.ts'
import { tlsServerEndPoint } from '../../wire/channel-binding.ts'
import { ALPN_POSTGRESQL, type TlsOptions } from '../../wire/tls-options.ts'

/** What a client has shown of itself in the handshake. */
export type SecuredClient = {
  readonly socket: TLSSocket
  readonly certificate: ClientCertificate | undefined
  readonly channelBinding: Buffer | undefined
}

type Waiting = {
  readonly resolve: (socket: TLSSocket) => void
  readonly reject: (error: Error) => void
}

const HANDSHAKE_TIMEOUT_MS = 30_000

/**
 * TLS towards clients: one context for all of them, replaced whole by reload(), which those who are connected don't notice.
 * node:tls' server, which never listens, is handed accepted sockets: it is what checks certificates.
 */
export class ClientTls {
  #terminator: Terminator | undefined

  /** Throws when key and certificates don't make a context. */
  constructor(options: TlsOptions) {
    this.#terminator = makeTerminator(options)
  }

  /** Throws, and leaves all as it is, when key and certificates don't make a context. */
  reload(options: TlsOptions): void {
    this.#terminator = makeTerminator(options)
  }

  get isOffered(): boolean {
    return this.#terminator !== undefined
  }

  /** `plain` is paused; what it has unshifted is part of the handshake. Rejects with the reason when that fails. */
  async secure(plain: Socket): Promise<SecuredClient> {
    const terminator = this.#terminator
    if (terminator === undefined) throw new Error('TLS is not configured')
    const socket = await terminator.secure(plain)
    const { channelBinding } = terminator
    return { socket, certificate: certificateOf(socket), channelBinding }
  }
}

function makeTerminator(options: TlsOptions): Terminator | undefined {
  return options.sslmode === 'disable' ? undefined : new Terminator(options)
}

/** One context's server, and who is shaking hands with it. */
class Terminator {
  readonly channelBinding: Buffer | undefined
  readonly #server: Server
  readonly #waiting = new Map<string, Waiting>()

  constructor({ context }: TlsOptions) {
    this.#server = createServer({
      ...context,
      requestCert: context.ca !== undefined,
      // who is let in without a valid one is the authenticator's to say, in words that the client can show
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN_POSTGRESQL],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    this.#server.on('secureConnection', (socket) => this.#waitingFor(socket)?.resolve(socket))
    this.#server.on('tlsClientError', (error, socket) => this.#waitingFor(socket)?.reject(error))
    this.channelBinding = bindingOf(context.cert)
  }

  secure(plain: Socket): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const key = endPoints(plain)
      const settled = () => this.#waiting.delete(key)
      const gone = () => {
        settled()
        reject(new Error('the client closed the connection during the TLS handshake'))
      }
      if (plain.destroyed || plain.remotePort === undefined) {
        gone()
        return
      }
      this.#waiting.set(key, {
        resolve: (socket) => {
          settled()
          plain.off('close', gone)
          resolve(socket)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      })
      plain.once('close', gone)
      // in Node's manual: the way to hand a connection in
      this.#server.emit('connection', plain)
    })
  }

  /** The events tell of the secure socket only; it has the plain one's addresses, and no other open one has. */
  #waitingFor(socket: TLSSocket): Waiting | undefined {
    return this.#waiting.get(endPoints(socket))
  }
}

function endPoints({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`
}

/** Of the first certificate of a chain in PEM, which is the one that is shown. */
function bindingOf(cert: unknown): Buffer | undefined {
  if (typeof cert !== 'string' && !Buffer.isBuffer(cert)) return undefined
  return tlsServerEndPoint(new X509Certificate(cert).raw)
}

const NAME_KINDS = /^(?:DNS|email|URI):/

function certificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  const { subject } = socket.getPeerCertificate()
  const commonName: unknown = subject?.CN
  const others = certificate.subjectAltName?.split(', ') ?? []
  return {
    isValid: socket.authorized,
    // several, or one with a zero byte inside, are nobody's name (CVE-2009-4034)
    commonName:
      typeof commonName === 'string' && !commonName.includes('\0') ? commonName : undefined,
    otherNames: others
      .filter((name) => NAME_KINDS.test(name) && !name.includes('"'))
      .map((name) => name.replace(NAME_KINDS, '')),
  }
}
