import type { BackendConnection } from '../../backend/backend-connection.ts'
import { writeCopyDone, writeCopyFail } from '../../wire/copy-messages.ts'
import { interruptible } from '../interruptible.ts'
import type { Mending } from '../relay/error-rewriting.ts'
import { type AnswerReader, type ServerAnswer, tagCount } from '../server-answer.ts'
import { sendQuery } from '../simple-request.ts'

export type CopyInOptions = {
  /** When it is aborted the COPY is cancelled: waiting for a lock, say, it could not be told by CopyFail. */
  readonly signal: AbortSignal
  readonly reader?: AnswerReader
  readonly mending?: Mending
}

/**
 * One COPY … FROM STDIN. Data may follow the command without waiting: after an error the server ignores CopyData up
 * to CopyDone. So several may be pipelined on a connection, but only inside a transaction, where the first error
 * makes all later ones fail.
 */
export class CopyInStream {
  readonly connection: BackendConnection
  readonly #answer: ServerAnswer
  /** Settles after the answer, when no cancel of it is under way. */
  readonly #ended: Promise<void>

  constructor(connection: BackendConnection, sql: string | Buffer, options: CopyInOptions) {
    this.connection = connection
    this.#answer = sendQuery(connection, sql, options.reader, options.mending)
    this.#ended = interruptible(connection, options.signal, this.#answer.completed())
    // whoever writes or finishes sees the error
    this.#ended.catch(() => undefined)
  }

  /** Settles when the server has ended the COPY, whether well or not; throws its error. */
  get ended(): Promise<void> {
    return this.#ended
  }

  /**
   * Whole CopyData messages; the buffer is the connection's from now on. A promise: wait for it before writing more.
   * Throws the server's error as soon as it is known.
   */
  write(messages: Buffer): Promise<void> | undefined {
    if (this.#answer.error !== undefined) throw this.#answer.error
    this.connection.send(messages, 0, messages.length)
    return this.connection.isCongested ? this.#drained() : undefined
  }

  /** As write(), for a little that need not be waited for: an error shows up later. */
  append(messages: Buffer): void {
    this.connection.send(messages, 0, messages.length)
  }

  /** The last CopyData messages and CopyDone, written at once; resolves with the count of the COPY. */
  async finish(lastMessages?: Buffer): Promise<number> {
    if (lastMessages !== undefined) this.connection.send(lastMessages, 0, lastMessages.length)
    writeCopyDone(this.connection.out)
    this.connection.flush()
    await this.#ended
    return tagCount(this.#answer.tag)
  }

  /** CopyFail; resolves when the connection can be used again. Harmless when the COPY has ended. */
  async abort(reason: string): Promise<void> {
    if (!this.#answer.isDone) {
      writeCopyFail(this.connection.out, reason.replaceAll('\0', ''))
      this.connection.flush()
    }
    await this.#ended.catch(() => undefined)
  }

  /** Resolves when the socket has drained, or the COPY has ended without that. */
  #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.connection.whenDrained(resolve))
    return Promise.race([drained, this.#answer.done.then(() => undefined)])
  }
}
