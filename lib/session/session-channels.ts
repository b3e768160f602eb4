import type { NotificationSubscriber, SharedListener } from '../backend/shared-listener.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { TransactionFollower } from '../executor/transaction/transaction-follower.ts'

/** What the channels need of their session. */
export interface NotifiedClient {
  /** It stands between two messages, outside a transaction. */
  readonly isIdle: boolean
  write(chunk: Buffer, start: number, end: number): void
  /** Ends the session. */
  fail(error: RouterError): void
}

/** `channel` undefined: all. */
type Change = { readonly listens: boolean; readonly channel: string | undefined }

/** Notifications that wait for the end of a transaction. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024

/**
 * The channels one client listens to, by way of the listener it shares with others. As in Postgres LISTEN and UNLISTEN take
 * effect at commit, and notifications come between transactions, in order.
 */
export class SessionChannels implements TransactionFollower, NotificationSubscriber {
  readonly #listener: () => SharedListener
  readonly #client: NotifiedClient
  /** As committed. */
  #listening: ReadonlySet<string> = new Set()
  /** What the listener sends us: more than we listen to while a commit is under way. */
  readonly #subscribed = new Map<string, SharedListener>()
  #changes: Change[] = []
  #savepoints: { readonly name: string; readonly count: number }[] = []
  #waiting: { readonly channel: string; readonly frame: Buffer }[] = []
  #waitingBytes = 0
  #lost: RouterError | undefined

  /** `listener`: asked anew for each LISTEN, since the coordinator may change. */
  constructor(listener: () => SharedListener, client: NotifiedClient) {
    this.#listener = listener
    this.#client = client
  }

  get isListening(): boolean {
    return this.#subscribed.size > 0
  }

  /** The transaction at hand has said LISTEN or UNLISTEN. */
  get hasChanges(): boolean {
    return this.#changes.length > 0
  }

  /** prepareCommit() has work, or what the server sends with its COMMIT is to be waited for. */
  get isPending(): boolean {
    return this.hasChanges || this.isListening
  }

  /** deliver() would do nothing. */
  get isQuiet(): boolean {
    return this.#waiting.length === 0 && this.#lost === undefined
  }

  get names(): readonly string[] {
    return [...this.#listening]
  }

  /** In force once prepareCommit() and commit() have followed. */
  change(listens: boolean, channel: string | undefined): void {
    this.#changes.push({ listens, channel })
  }

  async prepareCommit(): Promise<void> {
    for (const channel of this.#wanted()) {
      if (this.#subscribed.has(channel)) continue
      const listener = this.#listener()
      await listener.subscribe(channel, this)
      this.#subscribed.set(channel, listener)
    }
  }

  /** What had been sent by now is here. */
  async settled(): Promise<void> {
    // a listener that is lost meanwhile has told us so
    await Promise.allSettled([...new Set(this.#subscribed.values())].map((one) => one.settled()))
  }

  begin(): void {
    this.#forgetChanges()
  }

  commit(): void {
    if (this.hasChanges) this.#listening = this.#wanted()
    this.#end()
  }

  rollback(): void {
    this.#end()
  }

  savepoint(name: string): void {
    this.#savepoints.push({ name, count: this.#changes.length })
  }

  release(name: string): void {
    this.#savepoints.length = Math.max(0, this.#indexOf(name))
  }

  rollbackTo(name: string): void {
    const index = this.#indexOf(name)
    this.#changes.length = this.#savepoints[index]?.count ?? 0
    this.#savepoints.length = index + 1
  }

  /** UNLISTEN *, outside of any transaction. */
  clear(): void {
    this.#listening = new Set()
    this.#end()
  }

  notified(channel: string, chunk: Buffer, start: number, end: number): void {
    if (this.#client.isIdle && this.#waiting.length === 0) {
      if (this.#listening.has(channel)) this.#client.write(chunk, start, end)
      return
    }
    this.#waitingBytes += end - start
    this.#waiting.push({ channel, frame: Buffer.from(chunk.subarray(start, end)) })
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#loseSome()
  }

  listenerLost(cause: RouterError): void {
    this.#subscribed.clear()
    this.#end()
    if (this.#listening.size === 0) return
    this.#end()
    this.#fail(
      new RouterError(
        SqlState.connectionFailure,
        'the server connection that listened for this session was lost',
        {
          severity: 'FATAL',
          detail: 'Notifications may have been missed.',
          hint: 'Connect again and LISTEN anew.',
          cause,
        },
      ),
    )
  }

  /** Before ReadyForQuery outside a transaction. Throws, FATAL, when notifications were lost. */
  deliver(): void {
    if (this.#lost !== undefined) throw this.#lost
    if (this.#waiting.length === 0) return
    for (const { channel, frame } of this.#waiting) {
      if (this.#listening.has(channel)) this.#client.write(frame, 0, frame.length)
    }
    this.#dropWaiting()
  }

  #loseSome(): void {
    this.clear()
    this.#dropWaiting()
    this.#fail(
      new RouterError(
        SqlState.programLimitExceeded,
        'too many notifications wait for this session',
        {
          severity: 'FATAL',
          hint: 'A session that listens should not stay in a transaction.',
        },
      ),
    )
  }

  #dropWaiting(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  #fail(error: RouterError): void {
    if (this.#client.isIdle) this.#client.fail(error)
    else this.#lost = error
  }

  #wanted(): ReadonlySet<string> {
    const wanted = new Set(this.#listening)
    for (const { listens, channel } of this.#changes) {
      if (channel === undefined) wanted.clear()
      else if (listens) wanted.add(channel)
      else wanted.delete(channel)
    }
    return wanted
  }

  #forgetChanges(): void {
    if (this.#changes.length > 0) this.#changes = []
    if (this.#savepoints.length > 0) this.#savepoints = []
  }

  #end(): void {
    this.#forgetChanges()
    if (this.#subscribed.size === 0) return
    for (const [channel, listener] of this.#subscribed) {
      if (this.#listening.has(channel)) continue
      this.#subscribed.delete(channel)
      listener.unsubscribe(channel, this)
    }
  }

  #indexOf(name: string): number {
    return this.#savepoints.findLastIndex((savepoint) => savepoint.name === name)
  }
}
