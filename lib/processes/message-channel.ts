import type { SendHandle } from 'node:child_process'
import type { Socket } from 'node:net'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** A child process, or in the child `process` itself. */
export interface MessagePort {
  send?(
    message: object,
    handle?: SendHandle,
    options?: { readonly keepOpen?: boolean },
    callback?: (error: Error | null) => void,
  ): boolean
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

/** Kinds of messages and their bodies. */
export type MessageMap = object

type Handler = (body: unknown, socket: Socket | undefined) => unknown

type Pending = {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** post: kind, body. Request: and an id. Answer: the id and the value or the error. */
type Message =
  | { readonly kind: string; readonly body: unknown; readonly id?: number }
  | { readonly answerTo: number; readonly value: unknown }
  | { readonly answerTo: number; readonly error: SentError }

type SentError = { readonly message: string; readonly sqlState: string | undefined }

/** The other process has gone, so it will never answer. */
export class ChannelClosed extends Error {
  override readonly name = 'ChannelClosed'
}

/**
 * Messages and requests to the process at the other end. Both ends are the same program, so bodies are trusted. What is
 * sent after the other has gone is lost without a word; requests reject.
 */
export class MessageChannel<Out extends MessageMap, In extends MessageMap> {
  readonly #port: MessagePort
  readonly #handlers = new Map<string, Handler>()
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #isClosed = false

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message, handle) => {
      this.#receive(message as Message, handle as Socket | undefined)
    })
    port.on('disconnect', () => this.#close())
  }

  /** One handler a kind; its result is the answer when the message is a request. */
  on<K extends keyof In & string>(
    kind: K,
    handler: (body: In[K], socket: Socket | undefined) => unknown,
  ): void {
    this.#handlers.set(kind, handler as Handler)
  }

  post<K extends keyof Out & string>(kind: K, body: Out[K]): void {
    this.#send({ kind, body })
  }

  /** The socket belongs to the other process from now on. `lost`: it never got there. */
  postSocket<K extends keyof Out & string>(
    kind: K,
    body: Out[K],
    socket: Socket,
    lost: () => void,
  ): void {
    if (this.#isClosed) {
      lost()
      return
    }
    const sent = (error: Error | null) => {
      if (error !== null) lost()
    }
    this.#port.send?.({ kind, body } satisfies Message, socket, {}, sent)
  }

  request<K extends keyof Out & string>(kind: K, body: Out[K]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new ChannelClosed(kind))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#send({ kind, body, id })
    })
  }

  #send(message: Message): void {
    // the disconnect that follows an error tells all there is to know
    if (!this.#isClosed) this.#port.send?.(message, undefined, {}, () => undefined)
  }

  #receive(message: Message, socket: Socket | undefined): void {
    if ('answerTo' in message) {
      const pending = this.#pending.get(message.answerTo)
      this.#pending.delete(message.answerTo)
      if ('error' in message) pending?.reject(receivedError(message.error))
      else pending?.resolve(message.value)
      return
    }
    const { kind, body, id } = message
    const handler = this.#handlers.get(kind)
    if (id === undefined) handler?.(body, socket)
    else void this.#answer(id, async () => handler?.(body, socket))
  }

  async #answer(answerTo: number, work: () => Promise<unknown>): Promise<void> {
    try {
      this.#send({ answerTo, value: await work() })
    } catch (error) {
      this.#send({ answerTo, error: sentError(error) })
    }
  }

  #close(): void {
    this.#isClosed = true
    for (const { reject } of this.#pending.values()) reject(new ChannelClosed('disconnected'))
    this.#pending.clear()
  }
}

function sentError(error: unknown): SentError {
  const message = error instanceof Error ? error.message : String(error)
  return { message, sqlState: error instanceof RouterError ? error.sqlState : undefined }
}

function receivedError({ message, sqlState }: SentError): RouterError {
  return new RouterError(sqlState ?? SqlState.internalError, message)
}
