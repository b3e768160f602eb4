import { ProtocolError, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import {
  readSaslInitialResponse,
  readSaslResponse,
  writeAuthentication,
} from '../wire/authentication-messages.ts'
import { Frontend } from '../wire/message-codes.ts'
import { SCRAM_SHA_256 } from '../wire/scram-secret.ts'
import { ScramServer } from '../wire/scram-server.ts'
import {
  type CancelRequest,
  needsNegotiation,
  readStartupPacket,
  type StartupMessage,
  writeNegotiateProtocolVersion,
} from '../wire/startup-packets.ts'
import type { Authenticator } from './authenticator.ts'
import type { ClientOutput } from './client-output.ts'
import { startupSettings } from './startup-settings.ts'

export type Login = {
  readonly user: string
  readonly database: string
  /** Settings of the startup packet, not checked yet. */
  readonly settings: ReadonlyMap<string, string>
}

/** What the handshake tells its session. Each is called at most once, `refuseEncryption` for each request. */
export interface HandshakeListener {
  refuseEncryption(): void
  startupReceived(): void
  cancelRequested(request: CancelRequest): void
  authenticated(login: Login): void
}

type State =
  | { readonly kind: 'startup' }
  | { readonly kind: 'sasl-initial'; readonly login: Login; readonly scram: ScramServer }
  | { readonly kind: 'sasl-final'; readonly login: Login; readonly scram: ScramServer }
  | { readonly kind: 'done' }

/**
 * From the first byte to the proof of who the client is:
 * startup -> (sasl-initial -> sasl-final ->) done. Errors are thrown; all of them end the session.
 */
export class ClientHandshake {
  readonly #output: ClientOutput
  readonly #authenticator: Authenticator
  readonly #listener: HandshakeListener
  readonly #encryptionAsked = new Set<string>()
  #state: State = { kind: 'startup' }

  constructor(output: ClientOutput, authenticator: Authenticator, listener: HandshakeListener) {
    this.#output = output
    this.#authenticator = authenticator
    this.#listener = listener
  }

  receive(type: number, frame: Buffer): void {
    const state = this.#state
    switch (state.kind) {
      case 'startup':
        this.#startup(frame)
        break
      case 'sasl-initial':
        this.#saslInitial(state, this.#password(type, frame))
        break
      case 'sasl-final':
        this.#saslFinal(state, this.#password(type, frame))
        break
      case 'done':
        throw new ProtocolError('message received before the session was ready')
    }
  }

  #startup(frame: Buffer): void {
    const packet = readStartupPacket(frame)
    switch (packet.kind) {
      case 'ssl-request':
      case 'gssenc-request':
        // each may be asked for once; more is a client that makes us talk for nothing
        if (this.#encryptionAsked.has(packet.kind)) {
          throw new ProtocolError('encryption requested twice')
        }
        this.#encryptionAsked.add(packet.kind)
        this.#listener.refuseEncryption()
        break
      case 'cancel-request':
        this.#state = { kind: 'done' }
        this.#listener.cancelRequested(packet)
        break
      case 'startup':
        this.#listener.startupReceived()
        this.#login(packet)
        break
    }
  }

  #login(packet: StartupMessage): void {
    const login = readLogin(packet.parameters)
    if (needsNegotiation(packet)) {
      writeNegotiateProtocolVersion(this.#output.frames, packet.extensions)
    }
    const rule = this.#authenticator.ruleFor(login.user)
    if (rule.method === 'trust') {
      this.#succeed(login)
      return
    }
    this.#state = { kind: 'sasl-initial', login, scram: new ScramServer(rule.secret) }
    writeAuthentication(this.#output.frames, { kind: 'sasl', mechanisms: [SCRAM_SHA_256] })
  }

  #password(type: number, frame: Buffer): Buffer {
    if (type === Frontend.password) return frame
    throw new ProtocolError(`expected SASL response, got message type ${type}`)
  }

  #saslInitial({ login, scram }: State & { kind: 'sasl-initial' }, frame: Buffer): void {
    const { mechanism, data } = readSaslInitialResponse(frame)
    if (data === undefined) throw new ProtocolError('malformed SCRAM message')
    const answer = scram.firstMessage(data.toString('utf8'), mechanism)
    this.#state = { kind: 'sasl-final', login, scram }
    const message = { kind: 'sasl-continue', data: Buffer.from(answer) } as const
    writeAuthentication(this.#output.frames, message)
  }

  #saslFinal({ login, scram }: State & { kind: 'sasl-final' }, frame: Buffer): void {
    const answer = scram.finalMessage(readSaslResponse(frame).toString('utf8'))
    if (answer === undefined) {
      throw new RouterError(
        SqlState.invalidPassword,
        `password authentication failed for user "${login.user}"`,
        { severity: 'FATAL' },
      )
    }
    writeAuthentication(this.#output.frames, {
      kind: 'sasl-final',
      data: Buffer.from(answer.message),
    })
    this.#succeed(login)
  }

  #succeed(login: Login): void {
    this.#state = { kind: 'done' }
    writeAuthentication(this.#output.frames, { kind: 'ok' })
    this.#listener.authenticated(login)
  }
}

function readLogin(parameters: ReadonlyMap<string, string>): Login {
  const user = parameters.get('user') ?? ''
  if (user === '') {
    throw new RouterError(
      SqlState.invalidAuthorizationSpecification,
      'no PostgreSQL user name specified in startup packet',
      { severity: 'FATAL' },
    )
  }
  const replication = parameters.get('replication')
  if (replication !== undefined && !['false', 'off', 'no', '0'].includes(replication)) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'replication connections are not supported through the proxy',
      { severity: 'FATAL', hint: 'Connect to the node itself for replication.' },
    )
  }
  const database = parameters.get('database') ?? ''
  return {
    user,
    database: database === '' ? user : database,
    settings: startupSettings(parameters),
  }
}
