import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { ConnectionAwaiter } from '../../backend/wait-queue.ts'
import type { RouterError } from '../../base/errors.ts'
import type { Access, SessionTransaction } from '../../executor/transaction/transaction.ts'

/** What is to happen with the message once the wait is over. */
export interface ParkedMessageOwner {
  /** The session holds a connection to the node it asked for. */
  unparked(message: Buffer): void
  refused(error: RouterError): void
}

/** A message whose statement waits for a server connection: a copy of its bytes, and its place in the pool's queue. */
export class ParkedMessage implements ConnectionAwaiter {
  readonly #transaction: SessionTransaction
  readonly #owner: ParkedMessageOwner
  #message: Buffer | undefined
  #withdraw: (() => boolean) | undefined
  #cancelled: RouterError | undefined

  constructor(transaction: SessionTransaction, owner: ParkedMessageOwner) {
    this.#transaction = transaction
    this.#owner = owner
  }

  get isParked(): boolean {
    return this.#message !== undefined
  }

  /** false: it can't wait here; nothing was done. Else the owner is told, perhaps before this returns. */
  park(chunk: Buffer, start: number, end: number, nodeId: number, access: Access): boolean {
    const message = Buffer.allocUnsafe(end - start)
    chunk.copy(message, 0, start, end)
    this.#message = message
    this.#cancelled = undefined
    this.#withdraw = this.#transaction.enqueue(nodeId, access, this)
    if (this.#withdraw !== undefined) return true
    this.#message = undefined
    return false
  }

  /** false: nothing waits, or the connection is being made ready: then the wait ends with this error too, or with the server's. */
  cancel(reason: RouterError): boolean {
    if (this.#message === undefined) return false
    this.#cancelled = reason
    if (this.#withdraw?.() !== true) return false
    this.refused(reason)
    return true
  }

  served(_connection: BackendConnection): void {
    const message = this.#message
    if (message === undefined) return
    this.#message = undefined
    if (this.#cancelled === undefined) this.#owner.unparked(message)
    else this.#owner.refused(this.#cancelled)
  }

  refused(error: RouterError): void {
    if (this.#message === undefined) return
    this.#message = undefined
    this.#owner.refused(this.#cancelled ?? error)
  }
}
