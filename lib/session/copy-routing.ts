import type { BackendConnection } from '../backend/backend-connection.ts'
import { ProtocolError, type RouterError } from '../base/errors.ts'
import { readCopyFail, writeCopyFail } from '../wire/copy-messages.ts'
import type { BodyTaker } from '../wire/frame-reader.ts'
import { writeSync } from '../wire/frontend-messages.ts'
import { Frontend, HEADER_BYTES } from '../wire/message-codes.ts'
import type { ClientSocket } from './client/client-socket.ts'
import type { CopyInbox } from './copy-inbox.ts'
import type { MessageInbox } from './message-inbox.ts'
import type { StatementRelay } from './statement-relay.ts'

/** BackendConnection.send copies what is smaller. */
const COPIED_BYTES = 16 * 1024

/**
 * Where the client's CopyData go while a COPY FROM STDIN runs: to the server connection as they are, or to the executor.
 * Sync and Flush mean nothing until CopyDone or CopyFail, as in Postgres: a server in copy mode has dropped the Sync
 * that we sent along with Execute, so it gets another one.
 */
export class CopyRouting implements BodyTaker {
  readonly #socket: ClientSocket
  readonly #inbox: CopyInbox
  readonly #relay: StatementRelay
  #connection: BackendConnection | undefined
  #departure: RouterError | undefined

  constructor(socket: ClientSocket, inbox: CopyInbox, relay: StatementRelay) {
    this.#socket = socket
    this.#inbox = inbox
    this.#relay = relay
  }

  get isActive(): boolean {
    return this.#connection !== undefined || this.#inbox.isReceiving
  }

  start(connection: BackendConnection): void {
    this.#connection = connection
    if (this.#departure !== undefined) this.#failOnServer(connection, this.#departure)
  }

  /** What had arrived before the COPY began. */
  drain(queue: MessageInbox): void {
    while (this.isActive) {
      const message = queue.shift()
      if (message === undefined) return
      this.receive(message.type, message.frame, 0, message.frame.length)
    }
  }

  /** Nothing waits before them: drain() has emptied the queue. */
  takesPieces(type: number): boolean {
    return type === Frontend.copyData && this.#connection === undefined && this.#inbox.isReceiving
  }

  piece(chunk: Buffer, start: number, end: number): void {
    this.#inbox.push(chunk, start, end)
  }

  receive(type: number, chunk: Buffer, start: number, end: number): void {
    switch (type) {
      case Frontend.sync:
      case Frontend.flush:
        return
      case Frontend.copyData:
      case Frontend.copyDone:
      case Frontend.copyFail:
        if (this.#connection === undefined) this.#toExecutor(type, chunk, start, end)
        else this.#toServer(this.#connection, type, chunk, start, end)
        return
      default:
        throw new ProtocolError(
          `unexpected message type 0x${type.toString(16).toUpperCase().padStart(2, '0')} during COPY from stdin`,
        )
    }
  }

  /** The statement is over: later CopyData are dropped by the session. */
  end(): void {
    this.#connection = undefined
    this.#inbox.close()
  }

  /** The client is gone. A server that waits for CopyData heeds no cancel, and it may begin to wait only later. */
  abort(error: RouterError): void {
    this.#departure = error
    this.#inbox.depart(error)
    if (this.#connection !== undefined) this.#failOnServer(this.#connection, error)
  }

  #failOnServer(connection: BackendConnection, error: RouterError): void {
    writeCopyFail(connection.out, error.message)
    this.#finish(connection)
  }

  #toExecutor(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Frontend.copyData) this.#inbox.push(chunk, start + HEADER_BYTES, end)
    else if (type === Frontend.copyDone) this.#inbox.done()
    else this.#inbox.fail(readCopyFail(chunk.subarray(start, end)))
  }

  #toServer(
    connection: BackendConnection,
    type: number,
    chunk: Buffer,
    start: number,
    end: number,
  ): void {
    // what the server's socket can't pass on at once would be overwritten by the next read
    if (end - start < COPIED_BYTES) connection.send(chunk, start, end)
    else connection.send(Buffer.from(chunk.subarray(start, end)), 0, end - start)
    if (type !== Frontend.copyData) this.#finish(connection)
    else if (connection.isCongested) {
      this.#socket.pause()
      connection.whenDrained(() => this.#socket.resume())
    }
  }

  #finish(connection: BackendConnection): void {
    this.#connection = undefined
    if (this.#relay.sink.isExtended) writeSync(connection.out)
    connection.flush()
  }
}
