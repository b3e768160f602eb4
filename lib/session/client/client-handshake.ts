import type { Authenticator, Challenge, ClientIdentity, Proof } from '../../auth/authenticator.ts'
import { passwordRefused } from '../../auth/authenticator.ts'
import type { ServerCredential } from '../../backend/server-credential.ts'
import { ProtocolError, RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import {
  readPasswordMessage,
  readSaslInitialResponse,
  readSaslResponse,
  writeAuthentication,
} from '../../wire/authentication-messages.ts'
import { Frontend } from '../../wire/message-codes.ts'
import {
  type CancelRequest,
  needsNegotiation,
  readStartupPacket,
  type StartupMessage,
  writeNegotiateProtocolVersion,
} from '../../wire/startup-packets.ts'
import { startupSettings } from '../startup-settings.ts'
import type { ClientOutput } from './client-output.ts'

export type Login = {
  readonly user: string
  readonly database: string
  /** Settings of the startup packet, not checked yet. */
  readonly settings: ReadonlyMap<string, string>
}

/** What is known of a client by its connection. */
export type Peer = Pick<
  ClientIdentity,
  'address' | 'isEncrypted' | 'certificate' | 'channelBinding'
>

/** What the handshake tells its session. */
export interface HandshakeListener {
  peer(): Peer
  /** At most once for each kind. Nothing may have been sent after the request. */
  encryptionRequested(kind: 'ssl' | 'gss'): void
  startupReceived(): void
  cancelRequested(request: CancelRequest): void
  /** No frame until release(). */
  hold(): void
  release(): void
  /** Once. `credential`: what the client has proved to know, for servers. */
  authenticated(login: Login, credential: ServerCredential | undefined): void
  refused(error: unknown): void
}

type Scram = Challenge & { readonly kind: 'scram' }

type State =
  | { readonly kind: 'startup' }
  /** Somebody is asked, or computes. */
  | { readonly kind: 'held' }
  | {
      readonly kind: 'password'
      readonly login: Login
      readonly check: (answer: string) => Promise<Proof | undefined>
    }
  | { readonly kind: 'sasl-initial'; readonly login: Login; readonly scram: Scram }
  | { readonly kind: 'sasl-final'; readonly login: Login; readonly scram: Scram }
  | { readonly kind: 'done' }

/**
 * From the first byte to the proof of who the client is:
 * startup -> held -> (password -> held | sasl-initial -> sasl-final ->) done. Errors are thrown, or told to the listener
 * while held; all of them end the session.
 */
export class ClientHandshake {
  readonly #output: ClientOutput
  readonly #authenticator: Authenticator
  readonly #listener: HandshakeListener
  readonly #encryptionAsked = new Set<string>()
  #state: State = { kind: 'startup' }
  #login: Login | undefined

  constructor(output: ClientOutput, authenticator: Authenticator, listener: HandshakeListener) {
    this.#output = output
    this.#authenticator = authenticator
    this.#listener = listener
  }

  /** Whom the client claims to be, for the log. */
  get claimed(): { readonly user: string; readonly database: string } | undefined {
    return this.#login
  }

  receive(type: number, frame: Buffer): void {
    const state = this.#state
    switch (state.kind) {
      case 'startup':
        this.#startup(frame)
        break
      case 'password':
        this.#password(state, passwordFrame(type, frame))
        break
      case 'sasl-initial':
        this.#saslInitial(state, passwordFrame(type, frame))
        break
      case 'sasl-final':
        this.#saslFinal(state, passwordFrame(type, frame))
        break
      case 'held':
      case 'done':
        throw new ProtocolError('message received before the session was ready')
    }
  }

  #startup(frame: Buffer): void {
    const packet = readStartupPacket(frame)
    switch (packet.kind) {
      case 'ssl-request':
        this.#encryptionRequested('ssl')
        break
      case 'gssenc-request':
        this.#encryptionRequested('gss')
        break
      case 'cancel-request':
        this.#state = { kind: 'done' }
        this.#listener.cancelRequested(packet)
        break
      case 'startup':
        this.#listener.startupReceived()
        this.#begin(packet)
        break
    }
  }

  /** Each may be asked for once; more is a client that makes us talk for nothing. */
  #encryptionRequested(kind: 'ssl' | 'gss'): void {
    if (this.#encryptionAsked.has(kind)) throw new ProtocolError('encryption requested twice')
    this.#encryptionAsked.add(kind)
    this.#listener.encryptionRequested(kind)
  }

  #begin(packet: StartupMessage): void {
    const login = readLogin(packet.parameters)
    this.#login = login
    if (needsNegotiation(packet)) {
      writeNegotiateProtocolVersion(this.#output.frames, packet.extensions)
    }
    const { user, database } = login
    this.#whileHeld(async () => {
      const challenge = await this.#authenticator.challenge({
        user,
        database,
        ...this.#listener.peer(),
      })
      return () => this.#pose(login, challenge)
    })
  }

  #pose(login: Login, challenge: Challenge): void {
    const { frames } = this.#output
    switch (challenge.kind) {
      case 'none':
        this.#succeed(login, undefined)
        break
      case 'password':
        this.#state = { kind: 'password', login, check: challenge.check }
        writeAuthentication(frames, { kind: 'cleartext-password' })
        break
      case 'md5':
        this.#state = { kind: 'password', login, check: challenge.check }
        writeAuthentication(frames, { kind: 'md5-password', salt: challenge.salt })
        break
      case 'scram':
        this.#state = { kind: 'sasl-initial', login, scram: challenge }
        writeAuthentication(frames, { kind: 'sasl', mechanisms: challenge.server.mechanisms })
        break
    }
  }

  #password({ login, check }: State & { kind: 'password' }, frame: Buffer): void {
    const answer = readPasswordMessage(frame)
    this.#whileHeld(async () => {
      const proof = await check(answer)
      if (proof === undefined) throw passwordRefused(login.user)
      return () => this.#succeed(login, proof.credential)
    })
  }

  #saslInitial({ login, scram }: State & { kind: 'sasl-initial' }, frame: Buffer): void {
    const { mechanism, data } = readSaslInitialResponse(frame)
    if (data === undefined) throw new ProtocolError('malformed SCRAM message')
    const answer = scram.server.firstMessage(data.toString('utf8'), mechanism)
    this.#state = { kind: 'sasl-final', login, scram }
    const message = { kind: 'sasl-continue', data: Buffer.from(answer) } as const
    writeAuthentication(this.#output.frames, message)
  }

  #saslFinal({ login, scram }: State & { kind: 'sasl-final' }, frame: Buffer): void {
    const proof = scram.server.finalMessage(readSaslResponse(frame).toString('utf8'))
    if (proof === undefined) {
      scram.failed()
      throw passwordRefused(login.user)
    }
    const data = Buffer.from(proof.message)
    writeAuthentication(this.#output.frames, { kind: 'sasl-final', data })
    this.#succeed(login, scram.proved(proof.keys).credential)
  }

  #succeed(login: Login, credential: ServerCredential | undefined): void {
    this.#state = { kind: 'done' }
    writeAuthentication(this.#output.frames, { kind: 'ok' })
    this.#listener.authenticated(login, credential)
  }

  /** `work` resolves to what is to be done when the client may go on. */
  #whileHeld(work: () => Promise<() => void>): void {
    this.#state = { kind: 'held' }
    this.#listener.hold()
    work()
      .then((goOn) => {
        goOn()
        this.#listener.release()
      })
      .catch((error: unknown) => this.#listener.refused(error))
  }
}

function passwordFrame(type: number, frame: Buffer): Buffer {
  if (type === Frontend.password) return frame
  throw new ProtocolError(`expected password response, got message type ${type}`)
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
