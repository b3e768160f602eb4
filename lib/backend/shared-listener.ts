import { BackendLost, type RouterError } from '../base/errors.ts'
import { readNotificationResponse } from '../wire/backend-messages.ts'
import { serverError } from '../wire/error-messages.ts'
import { writeQuery } from '../wire/frontend-messages.ts'
import { Backend } from '../wire/message-codes.ts'
import { ROW_RUNS } from './answer-reader.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { ResponseSink } from './response-sink.ts'

/** Who listens: a client's session. */
export interface NotificationSubscriber {
  /** A whole NotificationResponse of a channel subscribed to: copy what outlives the call. */
  notified(channel: string, chunk: Buffer, start: number, end: number): void
  /** From now on notifications may be missed; the subscriber holds no channel any more. */
  listenerLost(error: RouterError): void
}

type Channel = {
  readonly subscribers: Set<NotificationSubscriber>
  /** The server has answered LISTEN. */
  readonly ready: Promise<void>
}

/** A connection that nobody needs is kept for so long. */
const LINGER_MS = 10_000
/** A connection that died without a word must not go unnoticed. */
const HEARTBEAT_INTERVAL_MS = 15_000
const HEARTBEAT_LIMIT_MS = 15_000

/**
 * One server connection that listens for all sessions of one user and database, made when it is first needed. LISTEN and
 * UNLISTEN are sent when a channel gets its first and loses its last subscriber. When the connection is lost all subscribers
 * are told, and nothing is listened to again on their behalf: what came in between would be missed without a word.
 */
export class SharedListener {
  readonly #connect: () => Promise<BackendConnection>
  readonly #channels = new Map<string, Channel>()
  #connection: Promise<BackendConnection> | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(connect: () => Promise<BackendConnection>) {
    this.#connect = connect
  }

  get isIdle(): boolean {
    return this.#connection === undefined && this.#channels.size === 0
  }

  /** Resolves when what is sent to the channel from now on will arrive. Rejects with the server's error. */
  async subscribe(channel: string, subscriber: NotificationSubscriber): Promise<void> {
    clearTimeout(this.#linger)
    const known = this.#channels.get(channel)
    if (known !== undefined) {
      known.subscribers.add(subscriber)
      return known.ready
    }
    const made = { subscribers: new Set([subscriber]), ready: this.#listen(channel) }
    this.#channels.set(channel, made)
    try {
      await made.ready
    } catch (error) {
      if (this.#channels.get(channel) === made) this.#channels.delete(channel)
      throw error
    }
  }

  unsubscribe(channel: string, subscriber: NotificationSubscriber): void {
    const known = this.#channels.get(channel)
    if (known?.subscribers.delete(subscriber) !== true || known.subscribers.size > 0) return
    this.#channels.delete(channel)
    // should it fail, the connection is lost, and with it the LISTEN
    void this.#run(`UNLISTEN ${quoteIdentifier(channel)}`).catch(() => undefined)
    if (this.#channels.size === 0) this.#closeSoon()
  }

  /** What had been sent by now has been passed on. */
  settled(): Promise<void> {
    return this.#run('')
  }

  close(): void {
    clearTimeout(this.#linger)
    const connection = this.#connection
    this.#forget()
    connection?.then(
      (one) => one.close(),
      () => undefined,
    )
  }

  #closeSoon(): void {
    this.#linger = setTimeout(() => this.close(), LINGER_MS)
    this.#linger.unref()
  }

  #listen(channel: string): Promise<void> {
    return this.#run(`LISTEN ${quoteIdentifier(channel)}`)
  }

  async #run(sql: string): Promise<void> {
    const connection = await this.#connected()
    await new Promise<void>((resolve, reject) => {
      connection.open(
        new CommandSink(resolve, reject, (chunk, start, end) => this.#notified(chunk, start, end)),
      )
      writeQuery(connection.out, sql)
      connection.flush()
    })
  }

  #connected(): Promise<BackendConnection> {
    this.#connection ??= this.#open()
    return this.#connection
  }

  async #open(): Promise<BackendConnection> {
    try {
      const connection = await this.#connect()
      connection.onAsynchronous = (type, chunk, start, end) => {
        if (type === Backend.notificationResponse) this.#notified(chunk, start, end)
      }
      connection.onClosed = (_connection, error) => this.#lost(error)
      this.#heartbeat = setInterval(() => this.#beat(connection), HEARTBEAT_INTERVAL_MS)
      this.#heartbeat.unref()
      return connection
    } catch (error) {
      this.#connection = undefined
      throw error
    }
  }

  #beat(connection: BackendConnection): void {
    const timer = setTimeout(() => {
      connection.close(new BackendLost('server does not answer the listening connection', true))
    }, HEARTBEAT_LIMIT_MS)
    timer.unref()
    const answered = () => clearTimeout(timer)
    void this.settled().then(answered, answered)
  }

  #notified(chunk: Buffer, start: number, end: number): void {
    const { channel } = readNotificationResponse(chunk.subarray(start, end))
    for (const subscriber of this.#channels.get(channel)?.subscribers ?? []) {
      subscriber.notified(channel, chunk, start, end)
    }
  }

  #lost(error: RouterError): void {
    const subscribers = new Set(
      [...this.#channels.values()].flatMap((channel) => [...channel.subscribers]),
    )
    this.#forget()
    for (const subscriber of subscribers) subscriber.listenerLost(error)
  }

  #forget(): void {
    clearInterval(this.#heartbeat)
    this.#connection = undefined
    this.#channels.clear()
  }
}

/** The answer to one command; notifications may come along with it. */
class CommandSink implements ResponseSink {
  readonly runs = ROW_RUNS
  readonly #resolve: () => void
  readonly #reject: (error: RouterError) => void
  readonly #onNotification: (chunk: Buffer, start: number, end: number) => void
  #error: RouterError | undefined

  constructor(
    resolve: () => void,
    reject: (error: RouterError) => void,
    onNotification: (chunk: Buffer, start: number, end: number) => void,
  ) {
    this.#resolve = resolve
    this.#reject = reject
    this.#onNotification = onNotification
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.notificationResponse) this.#onNotification(chunk, start, end)
    else if (type === Backend.errorResponse) {
      this.#error ??= serverError(chunk.subarray(start, end))
    }
  }

  ready(): void {
    if (this.#error === undefined) this.#resolve()
    else this.#reject(this.#error)
  }

  lost(error: BackendLost): void {
    this.#reject(this.#error ?? error)
  }
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
