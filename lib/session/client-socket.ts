import type { Socket } from 'node:net'
import { adoptHandle } from './shared-read-buffer.ts'

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

/** An encrypted socket over the plain one that it is given; node:tls makes such. */
export type Upgrade = (plain: Socket) => Socket

/**
 * How one client's bytes come and go. Reads land in one buffer that all clients share (`shared`), or come as 'data' events,
 * which TLS needs and which is what is left when this Node's sockets don't do as expected.
 */
export class ClientSocket {
  #stream: Socket
  #owner: ClientSocketOwner | undefined
  #isClosed = false

  /** `accepted`: paused, nothing of it has been read. */
  constructor(accepted: Socket, reads: 'shared' | 'events') {
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
   * From now on all bytes go through `upgrade`'s socket, which must have been handed nothing yet: what the client sent before
   * the handshake must have been refused.
   */
  upgrade(upgrade: Upgrade): void {
    const plain = this.#stream
    plain.removeAllListeners('data')
    plain.removeAllListeners('end')
    plain.removeAllListeners('drain')
    plain.removeAllListeners('close')
    this.#stream = upgrade(plain)
    this.#stream.on('error', () => this.#stream.destroy())
    plain.on('close', () => this.#stream.destroy())
    this.#listen()
  }

  /** Since the connection began. */
  get bytesRead(): number {
    return this.#stream.bytesRead
  }

  get remoteAddress(): string | undefined {
    return this.#stream.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.#stream.remotePort
  }

  /** true: the kernel has taken everything, `bytes` may be changed. false: they are referenced until drained. */
  write(bytes: Buffer): boolean {
    this.#stream.write(bytes)
    return this.#stream.writableLength === 0
  }

  /** Waiting for the kernel. */
  get pendingBytes(): number {
    return this.#stream.writableLength
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    if (this.#stream.isPaused()) this.#stream.resume()
  }

  /** Sends what is waiting, then closes our side. */
  end(): void {
    this.#stream.end()
  }

  destroy(): void {
    this.#stream.destroy()
  }

  get isDestroyed(): boolean {
    return this.#stream.destroyed
  }

  #listen(): void {
    const stream = this.#stream
    // not heard of where reads are shared
    stream.on('data', (chunk: Buffer) => this.#owner?.received(chunk, chunk.length))
    stream.on('end', () => this.#owner?.ended())
    stream.on('drain', () => this.#owner?.drained())
    stream.on('close', () => this.#closed())
    stream.resume()
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner?.disconnected()
  }
}
