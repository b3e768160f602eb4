import { isIP, type Socket } from 'node:net'
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import {
  ALPN_POSTGRESQL,
  requiresTls,
  type SslMode,
  type TlsOptions,
  verifiesCertificates,
} from '../wire/tls-options.ts'

/** TLS towards servers: one context for all connections; those that are made after a reload() use the new one. */
export class ServerTls {
  #sslmode: SslMode = 'disable'
  #context: SecureContext | undefined

  /** Throws when key and certificates don't make a context. */
  constructor(options: TlsOptions) {
    this.reload(options)
  }

  /** Throws, and leaves all as it is, when key and certificates don't make a context. */
  reload({ sslmode, context }: TlsOptions): void {
    this.#context = sslmode === 'disable' ? undefined : createSecureContext(context)
    this.#sslmode = sslmode
  }

  /** Servers are asked for it. */
  get isWanted(): boolean {
    return this.#context !== undefined
  }

  /** A server that declines is not talked to. */
  get isRequired(): boolean {
    return requiresTls(this.#sslmode)
  }

  /** Who a server is has been proved by its certificate. */
  get provesServers(): boolean {
    return verifiesCertificates(this.#sslmode)
  }

  /** For node-postgres, which asks for TLS only where it must have it. */
  requiredOptions(host: string): ConnectionOptions | false {
    return this.isRequired ? this.#options(host) : false
  }

  /** The handshake begins; the result tells of its end by 'secureConnect', or by 'error'. */
  secure(socket: Socket, host: string): TLSSocket {
    return connect({ socket, ...this.#options(host) })
  }

  #options(host: string): ConnectionOptions {
    const checksName = this.#sslmode === 'verify-full'
    return {
      secureContext: this.#context,
      rejectUnauthorized: this.provesServers,
      checkServerIdentity: (_host, certificate) =>
        checksName ? checkServerIdentity(host, certificate) : undefined,
      ALPNProtocols: [ALPN_POSTGRESQL],
      // server names are names: an address isn't sent (RFC 6066)
      ...(isIP(host) === 0 ? { servername: host } : {}),
    }
  }
}
