import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { tlsServerEndPoint } from '../wire/channel-binding.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { writeSslRequest } from '../wire/startup-packets.ts'
import { tlsName } from '../wire/tls-name.ts'
import { type BackendAddress, socketTarget } from './backend-address.ts'
import type { ServerTls } from './server-tls.ts'

/** One read buffer a connection; what fits in it is what one read call brings. Pages never reached cost no memory. */
const READ_BUFFER_BYTES = 256 * 1024
/** A read that brings less has emptied the kernel's buffer. */
const SHORT_READ_BYTES = READ_BUFFER_BYTES / 2
/** Less than a timer can wait is not to be had; the kernel's buffers of a TCP connection hold what comes meanwhile. */
const GATHER_MS = 1
/** A server that doesn't take our farewell is left without one. */
const END_TIMEOUT_MS = 5000

const GRANTED = 0x53
const DECLINED = 0x4e

export type SocketOwner = {
  /** Bytes [0, length) of `chunk`. true: `chunk` is still referenced, read on into a new buffer. */
  received(chunk: Buffer, length: number): boolean
  drained(): void
  /** May be written to: encrypted, if it is to be. */
  connected(): void
  /** Called once; undefined: the server closed the connection in order. */
  closed(error: Error | undefined): void
}

export type SocketTls = {
  readonly tls: ServerTls
  /** Rather none than an unencrypted one, whatever the mode. */
  readonly isRequired: boolean
}

/** plain: from the start, or the server declined. asked -> securing -> secured. */
type Encryption = 'plain' | 'asked' | 'securing' | 'secured'

/**
 * The transport of one server connection: reads into one buffer that is used again and again (`onread`), and tells
 * of a write whether the kernel took all of it at once, so that the written buffer may be used again too. Under TLS, chunks
 * are as node:tls makes them.
 */
export class BackendSocket {
  readonly #address: BackendAddress
  readonly #owner: SocketOwner
  readonly #tls: SocketTls | undefined
  #socket: Socket
  #secured: TLSSocket | undefined
  #encryption: Encryption = 'plain'
  #buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  #mustSwap = false
  readonly #isTcp: boolean
  #isPaused = false
  #isGathering = false
  #gatherTimer: NodeJS.Timeout | undefined
  #isClosed = false
  #error: Error | undefined

  constructor(address: BackendAddress, owner: SocketOwner, tls?: SocketTls) {
    this.#address = address
    this.#owner = owner
    const target = socketTarget(address)
    // Postgres doesn't encrypt Unix sockets
    this.#isTcp = !('path' in target)
    this.#tls = this.#isTcp && tls?.tls.isWanted === true ? tls : undefined
    this.#socket = connect({
      ...target,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: () => this.#nextBuffer(),
        callback: (length) => {
          this.#received(length)
          return true
        },
      },
    })
    this.#socket.on('connect', () => this.#connected())
    this.#listen(this.#socket)
  }

  get isEncrypted(): boolean {
    return this.#encryption === 'secured'
  }

  get tlsName(): string {
    return tlsName(this.#socket)
  }

  /** What SCRAM binds to; undefined: not encrypted, or a certificate that nothing can be bound to. */
  get channelBinding(): Buffer | undefined {
    const certificate = this.#secured?.getPeerX509Certificate()
    return certificate === undefined ? undefined : tlsServerEndPoint(certificate.raw)
  }

  /** true: a write is waiting for the kernel and 'drained' will follow. */
  get isCongested(): boolean {
    return this.#socket.writableNeedDrain
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress
  }

  get localPort(): number | undefined {
    return this.#socket.localPort
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  /** true: the kernel has taken everything, `bytes` may be changed. false: `bytes` is referenced until drained. */
  write(bytes: Buffer): boolean {
    this.#socket.write(bytes)
    return this.#socket.writableLength === 0
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#isGathering) this.#socket.resume()
  }

  /**
   * In the midst of a long answer, after a read of `length` bytes: Postgres sends 8 KiB at a time, and whoever reads as soon as
   * they come wakes up for each, and wakes the client for each. So the next read waits until there is more. Not under TLS, whose
   * chunks are always short, nor on a Unix socket, whose buffers would be full too early.
   */
  gather(length: number): void {
    if (length >= SHORT_READ_BYTES || !this.#isTcp || this.#secured !== undefined) return
    if (this.#isGathering || this.#isPaused || this.#isClosed) return
    this.#isGathering = true
    this.#socket.pause()
    if (this.#gatherTimer === undefined) {
      this.#gatherTimer = setTimeout(() => this.#gathered(), GATHER_MS)
    } else this.#gatherTimer.refresh()
  }

  /** Sends what is waiting and `last`, then closes. */
  end(last: Buffer): void {
    this.#socket.setTimeout(END_TIMEOUT_MS, () => this.#socket.destroy())
    this.#socket.end(last, () => this.#socket.destroy())
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #listen(socket: Socket): void {
    socket.on('drain', () => this.#owner.drained())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.on('end', () => this.destroy())
    socket.on('close', () => this.#close())
  }

  #connected(): void {
    if (this.#tls === undefined) {
      this.#owner.connected()
      return
    }
    this.#encryption = 'asked'
    const request = new FrameWriter()
    writeSslRequest(request)
    this.#socket.write(request.take())
  }

  #received(length: number): void {
    if (this.#encryption === 'asked') this.#negotiated(length)
    else this.#mustSwap = this.#owner.received(this.#buffer, length)
  }

  /**
   * The answer is one byte. What comes with it isn't encrypted and may be anyone's (CVE-2021-23222); an error message,
   * which only servers before Postgres 7 send, isn't to be shown either (CVE-2024-10977).
   */
  #negotiated(length: number): void {
    const [answer] = this.#buffer
    if (length > 1) this.#fail('received unencrypted data after SSL response')
    else if (answer === GRANTED) this.#secure()
    else if (answer !== DECLINED) this.#fail('received invalid response to SSL negotiation')
    else if (this.#tls?.isRequired === true || this.#tls?.tls.isRequired === true) {
      this.#fail('server does not support SSL, but SSL was required')
    } else {
      this.#encryption = 'plain'
      this.#owner.connected()
    }
  }

  #secure(): void {
    const plain = this.#socket
    const secured = this.#tls?.tls.secure(plain, this.#address.host)
    if (secured === undefined) return
    this.#encryption = 'securing'
    this.#socket = secured
    this.#secured = secured
    this.#listen(secured)
    secured.setNoDelay(true)
    secured.on('data', (chunk: Buffer) => this.#owner.received(chunk, chunk.length))
    secured.once('secureConnect', () => {
      this.#encryption = 'secured'
      this.#owner.connected()
    })
  }

  #fail(reason: string): void {
    this.#error ??= new Error(reason)
    this.destroy()
  }

  #gathered(): void {
    this.#isGathering = false
    if (!this.#isPaused) this.#socket.resume()
  }

  #nextBuffer(): Buffer {
    if (this.#mustSwap) {
      this.#mustSwap = false
      this.#buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
    }
    return this.#buffer
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#gatherTimer)
    this.#owner.closed(this.#error)
  }
}
