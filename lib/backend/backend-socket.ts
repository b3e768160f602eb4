import { connect, type Socket } from 'node:net'
import { type BackendAddress, socketTarget } from './backend-address.ts'

/** One read buffer a connection; what fits in it is what one read call brings. */
const READ_BUFFER_BYTES = 64 * 1024
/** A server that doesn't take our farewell is left without one. */
const END_TIMEOUT_MS = 5000

export type SocketOwner = {
  /** Bytes [0, length) of `chunk`. true: `chunk` is still referenced, read on into a new buffer. */
  received(chunk: Buffer, length: number): boolean
  drained(): void
  connected(): void
  /** Called once; undefined: the server closed the connection in order. */
  closed(error: Error | undefined): void
}

/**
 * The transport of one server connection: reads into one buffer that is used again and again (`onread`), and tells
 * of a write whether the kernel took all of it at once, so that the written buffer may be used again too.
 */
export class BackendSocket {
  readonly #owner: SocketOwner
  readonly #socket: Socket
  #buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  #mustSwap = false
  #isClosed = false
  #error: Error | undefined

  constructor(address: BackendAddress, owner: SocketOwner) {
    this.#owner = owner
    this.#socket = connect({
      ...socketTarget(address),
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: () => this.#nextBuffer(),
        callback: (length) => {
          this.#mustSwap = this.#owner.received(this.#buffer, length)
          return true
        },
      },
    })
    this.#socket.on('connect', () => this.#owner.connected())
    this.#socket.on('drain', () => this.#owner.drained())
    this.#socket.on('error', (error) => {
      this.#error = error
    })
    this.#socket.on('end', () => this.destroy())
    this.#socket.on('close', () => this.#close())
  }

  /** true: a write is waiting for the kernel and 'drained' will follow. */
  get isCongested(): boolean {
    return this.#socket.writableNeedDrain
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
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Sends what is waiting and `last`, then closes. */
  end(last: Buffer): void {
    this.#socket.setTimeout(END_TIMEOUT_MS, () => this.#socket.destroy())
    this.#socket.end(last, () => this.#socket.destroy())
  }

  destroy(): void {
    this.#socket.destroy()
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
    this.#owner.closed(this.#error)
  }
}
