import { RouterError } from '../base/errors.ts'
import { giveBlock, takeBlock } from '../base/spare-blocks.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CopySource } from './client/client-output.ts'

/** So much may wait for the executor before the client's socket is paused. */
const PAUSE_BYTES = 512 * 1024
const BLOCK_BYTES = 64 * 1024

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
  /** Filled ones, in order. */
  #bodies: Buffer[] = []
  /** What comes last, in [0, #blockLength). */
  #block: Buffer | undefined
  #blockLength = 0
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

  /** Bytes [start, end) of the client's data; copied. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#hasEnded) return
    for (let at = start; at < end; ) at += this.#append(bytes, at, end)
    this.#byteLength += end - start
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
    for (const body of this.#take()) giveBack(body)
  }

  async *#read(): AsyncIterable<Buffer> {
    try {
      for (;;) {
        for (const body of this.#take()) {
          yield body
          giveBack(body)
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

  /** Returns how much there was room for. */
  #append(bytes: Buffer, start: number, end: number): number {
    if (this.#blockLength === BLOCK_BYTES) this.#seal()
    this.#block ??= takeBlock(BLOCK_BYTES)
    const taken = bytes.copy(this.#block, this.#blockLength, start, end)
    this.#blockLength += taken
    return taken
  }

  #seal(): void {
    if (this.#block === undefined) return
    this.#bodies.push(this.#block.subarray(0, this.#blockLength))
    this.#block = undefined
    this.#blockLength = 0
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

function giveBack(body: Buffer): void {
  giveBlock(Buffer.from(body.buffer))
}
