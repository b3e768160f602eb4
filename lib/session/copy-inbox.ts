import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CopySource } from './client/client-output.ts'

/** So much may wait for the executor before the client's socket is paused. */
const PAUSE_BYTES = 1024 * 1024
/** Messages up to this size are put together in blocks of it. */
const BLOCK_BYTES = 64 * 1024
/** Blocks that were read are filled again; as many as may wait. */
const MAX_SPARE = PAUSE_BYTES / BLOCK_BYTES

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
  /** Full ones, or larger messages, in order. */
  #bodies: Buffer[] = []
  /** What comes last, in [0, #blockLength). */
  #block: Buffer | undefined
  #blockLength = 0
  #spare: Buffer[] = []
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
    if (body.length > BLOCK_BYTES) {
      this.#seal()
      this.#bodies.push(Buffer.from(body))
    } else this.#append(body)
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

  /** The data in pieces that need not be the client's messages; each is valid until the next one is asked for. */
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
    this.#spare = []
  }

  async *#read(): AsyncIterable<Buffer> {
    try {
      for (;;) {
        for (const body of this.#take()) {
          yield body
          this.#giveBack(body)
        }
        if (this.#byteLength > 0) continue
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

  #append(body: Buffer): void {
    if (this.#block === undefined || this.#blockLength + body.length > BLOCK_BYTES) {
      this.#seal()
      this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
    }
    body.copy(this.#block, this.#blockLength)
    this.#blockLength += body.length
  }

  #seal(): void {
    if (this.#block === undefined) return
    this.#bodies.push(this.#block.subarray(0, this.#blockLength))
    this.#block = undefined
    this.#blockLength = 0
  }

  #giveBack(body: Buffer): void {
    if (body.buffer.byteLength !== BLOCK_BYTES || this.#spare.length >= MAX_SPARE) return
    this.#spare.push(Buffer.from(body.buffer))
  }

  #take(): Buffer[] {
    this.#seal()
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
