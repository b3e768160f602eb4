import type { Socket } from 'node:net'
import { tlsName } from '../../wire/tls-name.ts'
import { adoptHandle, isUnixSocket } from './shared-read-buffer.ts'

/** Who reads. Called synchronously from the socket's callbacks, never re-entered. */
export interface ClientSocketOwner {
  /** Bytes [0, length) of `chunk`, valid only during the call: the next client's bytes come into the same buffer. */
  received(chunk: Buffer, length: number): void
  /** The client sends no more; it may still read. */
  ended(): void
  /** What could not be passed to the kernel at once has gone. */
  drained(): void
  /** Once, whoever closed it. */
  disconnected(): void
}

/**
 * How one client's bytes come and go. Reads land in one buffer that all clients share (`shared`), or come as 'data' events,
 * which TLS needs and which is what is left when this Node's sockets don't do as expected.
 */
export class ClientSocket {
  /** false also where it can't be told: a TCP client has no address any more when it has reset its connection. */
  readonly isUnix: boolean
  /** As it was when the client was accepted; undefined: a Unix socket, or a TCP client that had already gone. */
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  #stream: Socket
  #owner: ClientSocketOwner | undefined
  #isClosed = false
  /** The plain socket belongs to the handshake. */
  #isSecuring = false
  #isSecured = false
  #isPaused = false
  #isSuspended = false

  readonly #onData = (chunk: Buffer) => this.#owner?.received(chunk, chunk.length)
  readonly #onEnd = () => this.#owner?.ended()
  readonly #onDrain = () => this.#owner?.drained()
  readonly #onClose = () => {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner?.disconnected()
  }

  /** `accepted`: paused, nothing of it has been read. */
  constructor(accepted: Socket, reads: 'shared' | 'events') {
    this.isUnix = isUnixSocket(accepted)
    this.remoteAddress = accepted.remoteAddress
    this.remotePort = accepted.remotePort
    this.#stream =
      reads === 'events'
        ? accepted
        : adoptHandle(accepted, (chunk, length) => this.#owner?.received(chunk, length))
    // 'close' follows, and says all there is to do
    this.#stream.on('error', () => undefined)
  }

  /** Once; reading begins. */
  attach(owner: ClientSocketOwner): void {
    this.#owner = owner
    this.#listen()
  }

  /**
   * From now on all bytes go through the socket that `secure` resolves to. `first`: what was already read of the handshake. The
   * owner hears nothing until then, but that the client is gone. Rejects when the handshake fails.
   */
  async upgrade(secure: (plain: Socket) => Promise<Socket>, first?: Buffer): Promise<void> {
    const plain = this.#stream
    plain.pause()
    plain.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain)
    this.#isSecuring = true
    if (first !== undefined) plain.unshift(first)
    const secured = await secure(plain)
    this.#isSecuring = false
    this.#isSecured = true
    this.#stream = secured
    plain.off('close', this.#onClose)
    plain.on('close', () => secured.destroy())
    // a fault of the peer: 'close' follows
    secured.on('error', () => secured.destroy())
    this.#listen()
    if (plain.destroyed || secured.destroyed) this.destroy()
  }

  /** Since the connection began. */
  get bytesRead(): number {
    return this.#stream.bytesRead
  }

  get tlsName(): string {
    return tlsName(this.#stream)
  }

  get localAddress(): string | undefined {
    return this.#stream.localAddress
  }

  get localPort(): number | undefined {
    return this.#stream.localPort
  }

  /** true: the kernel has taken everything, `bytes` may be changed. false: they are referenced until drained. */
  write(bytes: Buffer): boolean {
    this.#stream.write(bytes)
    return this.#stream.writableLength === 0
  }

  /** What is written from now on leaves with one system call, in uncork(). */
  cork(): void {
    this.#stream.cork()
  }

  /** As write(), of all that was written since cork(). */
  uncork(): boolean {
    this.#stream.uncork()
    return this.#stream.writableLength === 0
  }

  /** A write goes to the kernel at once: nothing waits, nothing is encrypted first. */
  get takesAtOnce(): boolean {
    return !this.#isSecured && this.#stream.writableLength === 0
  }

  /** Waiting for the kernel. */
  get pendingBytes(): number {
    return this.#stream.writableLength
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    if (!this.#isSecuring) this.#stream.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#isSuspended || this.#isSecuring) return
    if (this.#stream.isPaused()) this.#stream.resume()
  }

  /** Nothing is read, whatever pause() and resume() say, until unsuspend(). */
  suspend(): void {
    this.#isSuspended = true
    if (!this.#isSecuring) this.#stream.pause()
  }

  unsuspend(): void {
    this.#isSuspended = false
    if (!this.#isPaused) this.resume()
  }

  /** Sends what is waiting, then closes our side. */
  end(): void {
    this.#stream.end()
  }

  destroy(): void {
    this.#stream.destroy()
    if (this.#stream.closed) this.#onClose()
  }

  get isDestroyed(): boolean {
    return this.#stream.destroyed
  }

  #listen(): void {
    const stream = this.#stream
    // not heard of where reads are shared
    stream.on('data', this.#onData).on('end', this.#onEnd)
    stream.on('drain', this.#onDrain).on('close', this.#onClose)
    stream.resume()
  }
}
