import type { BackendConnection } from '../backend/backend-connection.ts'
import { writeCopyDone, writeCopyFail } from '../wire/copy-messages.ts'
import type { Mending } from './error-rewriting.ts'
import { type AnswerReader, type ServerAnswer, tagCount } from './server-answer.ts'
import { sendQuery } from './simple-request.ts'

/**
 * One COPY … FROM STDIN. Data may follow the command without waiting: after an error the server ignores CopyData up
 * to CopyDone. So several may be pipelined on a connection, but only inside a transaction, where the first error
 * makes all later ones fail.
 */
export class CopyInStream {
  readonly connection: BackendConnection
  readonly #answer: ServerAnswer

  constructor(
    connection: BackendConnection,
    sql: string | Buffer,
    reader?: AnswerReader,
    mending?: Mending,
  ) {
    this.connection = connection
    this.#answer = sendQuery(connection, sql, reader, mending)
  }

  /** Settles when the server has ended the COPY, whether well or not; throws its error. */
  get ended(): Promise<void> {
    return this.#answer.completed()
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

  /** The last CopyData messages and CopyDone, written at once; resolves with the count of the COPY. */
  async finish(lastMessages?: Buffer): Promise<number> {
    if (lastMessages !== undefined) this.connection.send(lastMessages, 0, lastMessages.length)
    writeCopyDone(this.connection.out)
    this.connection.flush()
    await this.#answer.completed()
    return tagCount(this.#answer.tag)
  }

  /** CopyFail; resolves when the connection can be used again. Harmless when the COPY has ended. */
  async abort(reason: string): Promise<void> {
    if (this.#answer.isDone) return
    writeCopyFail(this.connection.out, reason)
    this.connection.flush()
    await this.#answer.done
  }

  /** Resolves when the socket has drained, or the COPY has ended without that. */
  #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.connection.whenDrained(resolve))
    return Promise.race([drained, this.#answer.done.then(() => undefined)])
  }
}
