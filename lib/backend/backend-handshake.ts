import { BackendLost, ProtocolError, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import {
  type Authentication,
  readAuthentication,
  writePasswordMessage,
  writeSaslInitialResponse,
  writeSaslResponse,
} from '../wire/authentication-messages.ts'
import { serverError } from '../wire/error-messages.ts'
import { md5Response, md5Secret } from '../wire/md5.ts'
import { Backend } from '../wire/message-codes.ts'
import { ScramClient } from '../wire/scram-client.ts'
import { writeStartupMessage } from '../wire/startup-packets.ts'
import { NO_RUNS } from './answer-reader.ts'
import type { BackendAddress } from './backend-address.ts'
import { BackendConnection, type ConnectionLimits } from './backend-connection.ts'
import type { ResponseSink } from './response-sink.ts'
import type { ServerCredential } from './server-credential.ts'
import type { ServerTls } from './server-tls.ts'

export type ConnectOptions = {
  readonly node: BackendAddress
  readonly database: string
  readonly user: string
  /** undefined: the server must trust us. */
  readonly credential?: ServerCredential | undefined
  /** undefined: without. */
  readonly tls?: ServerTls | undefined
  /** Sent in the startup packet besides user and database. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly connectTimeoutMs: number
  /** Send the password in clear also to a server that TLS hasn't proved: only over a trusted line. */
  readonly allowsCleartextPassword: boolean
  readonly limits?: ConnectionLimits
}

/**
 * An authenticated, idle connection. Rejects with the server's own error (28P01, 3D000, 53300 …), or BackendLost
 * when there is no server. client_encoding is always UTF8: all that we read and write is.
 */
export function connectBackend(options: ConnectOptions): Promise<BackendConnection> {
  return new Promise((resolve, reject) => {
    const begin = () => {
      writeStartupMessage(connection.out, startupParameters(options))
      connection.flush()
    }
    const connection: BackendConnection = new BackendConnection(
      options.node,
      begin,
      options.tls,
      options.limits,
    )
    const { host, port } = options.node
    const timer = setTimeout(() => {
      const message = `timed out connecting to server ${host}:${port}`
      connection.close(new BackendLost(message, false))
    }, options.connectTimeoutMs)
    const settle = (error: RouterError | undefined) => {
      clearTimeout(timer)
      if (error === undefined) resolve(connection)
      else reject(error)
    }
    connection.open(new HandshakeSink(connection, options, settle))
  })
}

function startupParameters({
  user,
  database,
  parameters = {},
}: ConnectOptions): Map<string, string> {
  return new Map([
    ['user', user],
    ['database', database],
    ...Object.entries(parameters),
    ['client_encoding', 'UTF8'],
  ])
}

/** Everything up to the first ReadyForQuery. */
class HandshakeSink implements ResponseSink {
  readonly runs = NO_RUNS
  readonly #connection: BackendConnection
  readonly #options: ConnectOptions
  readonly #settle: (error: RouterError | undefined) => void
  #scram: ScramClient | undefined
  /** The server must not skip its own proof: set when it is due, cleared by a right one. */
  #owesSignature = false
  #isAuthenticated = false
  #error: RouterError | undefined

  constructor(
    connection: BackendConnection,
    options: ConnectOptions,
    settle: (error: RouterError | undefined) => void,
  ) {
    this.#connection = connection
    this.#options = options
    this.#settle = settle
  }

  rows(): boolean {
    throw new ProtocolError('unexpected row from server')
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    const frame = chunk.subarray(start, end)
    switch (type) {
      case Backend.authentication:
        this.#authenticate(readAuthentication(frame))
        break
      case Backend.errorResponse:
        this.#error = serverError(frame)
        this.#connection.close(this.#error)
        break
      case Backend.noticeResponse:
      case Backend.parameterStatus:
      case Backend.negotiateProtocolVersion:
        break
      default:
        throw new ProtocolError('unexpected message from server during startup')
    }
  }

  ready(): void {
    if (!this.#isAuthenticated) {
      this.#error = new ProtocolError('server skipped authentication')
      this.#connection.close(this.#error)
    }
    this.#settle(this.#error)
  }

  lost(error: BackendLost): void {
    this.#settle(this.#error ?? new BackendLost(error.message, false, { cause: error.cause }))
  }

  #authenticate(request: Authentication): void {
    switch (request.kind) {
      case 'ok':
        if (this.#owesSignature) throw new ProtocolError('server did not prove its identity')
        this.#isAuthenticated = true
        return
      case 'cleartext-password':
        this.#sendClearText()
        break
      case 'md5-password':
        this.#sendMd5(request.salt)
        break
      case 'sasl':
        this.#startScram(request.mechanisms)
        break
      case 'sasl-continue':
        this.#continueScram(request.data)
        return
      case 'sasl-final':
        if (this.#scram === undefined) throw new ProtocolError('unexpected SASL message')
        this.#scram.verify(request.data.toString())
        this.#owesSignature = false
        return
      case 'unsupported':
        this.#refuse(
          `server asks for authentication method ${request.code}, which is not supported`,
        )
        return
    }
    this.#connection.flush()
  }

  #sendClearText(): void {
    const { allowsCleartextPassword, credential, tls } = this.#options
    const isPrivate = this.#connection.isEncrypted && tls?.provesServers === true
    if (credential?.kind !== 'password') this.#refuseMethod('a password in clear text')
    else if (!allowsCleartextPassword && !isPrivate) {
      this.#refuse('server asks for a password in clear text, which is not allowed')
    } else writePasswordMessage(this.#connection.out, credential.password)
  }

  #sendMd5(salt: Buffer): void {
    const { user, credential } = this.#options
    if (credential?.kind === 'password' || credential?.kind === 'md5') {
      const secret =
        credential.kind === 'md5' ? credential.secret : md5Secret(user, credential.password)
      writePasswordMessage(this.#connection.out, md5Response(secret, salt))
    } else this.#refuseMethod('an md5 password')
  }

  #startScram(mechanisms: readonly string[]): void {
    const { credential } = this.#options
    if (this.#scram !== undefined) throw new ProtocolError('unexpected SASL message')
    if (credential?.kind === 'password' || credential?.kind === 'scram-keys') {
      const secret = credential.kind === 'password' ? credential.password : credential.keys
      const scram = new ScramClient(secret, {
        mechanisms,
        channelBinding: this.#connection.channelBinding,
      })
      this.#scram = scram
      this.#owesSignature = true
      const data = Buffer.from(scram.firstMessage())
      writeSaslInitialResponse(this.#connection.out, { mechanism: scram.mechanism, data })
    } else this.#refuseMethod('SCRAM-SHA-256')
  }

  #continueScram(data: Buffer): void {
    if (this.#scram === undefined) throw new ProtocolError('unexpected SASL message')
    const connection = this.#connection
    this.#scram.finalMessage(data.toString()).then(
      (message) => {
        if (connection.state === 'closed') return
        writeSaslResponse(connection.out, Buffer.from(message))
        connection.flush()
      },
      (error: unknown) => {
        this.#error = error instanceof RouterError ? error : undefined
        connection.close(this.#error)
      },
    )
  }

  #refuseMethod(method: string): void {
    const { credential, user } = this.#options
    this.#refuse(
      credential === undefined
        ? `no password is known for role "${user}", but the server asks for one`
        : `server asks for ${method}, for which what is known of role "${user}" is not enough`,
      'The proxy needs the password, or the secret of the kind that the server asks for.',
    )
  }

  #refuse(message: string, hint?: string): void {
    const details = hint === undefined ? {} : { hint }
    this.#error = new RouterError(SqlState.invalidAuthorizationSpecification, message, details)
    this.#connection.close(this.#error)
  }
}
