import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CopySource } from './client-output.ts'

/** So much may wait for the executor before the client's socket is paused. */
const PAUSE_BYTES = 1024 * 1024

/** What the inbox asks of the client's socket. */
export interface CopyFeed {
  pauseReading(): void
  resumeReading(): void
  /** CopyData that are here already may be pushed now. */
  copyStarted(): void
}

/**
 * The client's CopyData on their way to the executor, for a COPY that we carry out ourselves.
 * `isOpen` from the executor's first read until CopyDone, CopyFail or the reader's own end.
 */
export class CopyInbox implements CopySource {
  readonly #feed: CopyFeed
  #bodies: Buffer[] = []
  #byteLength = 0
  #isOpen = false
  #isPaused = false
  #hasEnded = false
  #error: RouterError | undefined
  /** The client has left: a COPY that begins after that fails too. */
  #departure: RouterError | undefined
  #wake: (() => void) | undefined

  constructor(feed: CopyFeed) {
    this.#feed = feed
  }

  /** The client's CopyData belong here. */
  get isReceiving(): boolean {
    return this.#isOpen && !this.#hasEnded
  }

  push(body: Buffer): void {
    if (this.#hasEnded) return
    this.#bodies.push(Buffer.from(body))
    this.#byteLength += body.length
    if (this.#byteLength > PAUSE_BYTES && !this.#isPaused) {
      this.#isPaused = true
      this.#feed.pauseReading()
    }
    this.#signal()
  }

  done(): void {
    this.#hasEnded = true
    this.#signal()
  }

  fail(message: string): void {
    this.abort(new RouterError(SqlState.queryCanceled, `COPY from stdin failed: ${message}`))
  }

  abort(error: RouterError): void {
    this.#error = error
    this.#hasEnded = true
    this.#signal()
  }

  /** The client is gone or has broken the protocol, for good. */
  depart(error: RouterError): void {
    this.#departure = error
    this.abort(error)
  }

  messages(): AsyncIterable<Buffer> {
    this.#isOpen = true
    this.#error = this.#departure
    this.#hasEnded = this.#departure !== undefined
    this.#feed.copyStarted()
    return this.#read()
  }

  /** After each statement: whatever the client still sends of this COPY is dropped. */
  close(): void {
    this.#isOpen = false
    this.#hasEnded = true
    this.#take()
  }

  async *#read(): AsyncIterable<Buffer> {
    try {
      for (;;) {
        const bodies = this.#take()
        yield* bodies
        if (this.#bodies.length > 0) continue
        if (this.#error !== undefined) throw this.#error
        if (this.#hasEnded) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.close()
    }
  }

  #take(): Buffer[] {
    const bodies = this.#bodies
    this.#bodies = []
    this.#byteLength = 0
    if (this.#isPaused) {
      this.#isPaused = false
      this.#feed.resumeReading()
    }
    return bodies
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
