import { ProtocolError } from '../base/errors.ts'
import { MAX_LENGTH } from './message-codes.ts'

/**
 * Called once per whole message, in order; [start, end) of `chunk` is the message from its type byte (a startup
 * packet: from its length; `type` is 0 then). Valid only until the call returns: copy what must outlive it.
 */
export type OnFrame = (type: number, chunk: Buffer, start: number, end: number) => void

/** Who takes messages of some type in pieces, as they come, so that long ones are never held. */
export interface BodyTaker {
  /** Asked about a message that isn't whole in its chunk. */
  takesPieces(type: number): boolean
  /** Bytes [start, end) of its body, valid only until the call returns. */
  piece(chunk: Buffer, start: number, end: number): void
}

export type FrameLimits = {
  /** Largest startup packet. Postgres: 10000 (MAX_STARTUP_PACKET_LENGTH). */
  readonly startupBytes: number
  /** Largest message afterwards. */
  readonly messageBytes: number
}

export const DEFAULT_FRAME_LIMITS: FrameLimits = { startupBytes: 10_000, messageBytes: MAX_LENGTH }

/** Postgres' PG_MAX_AUTH_TOKEN_LENGTH */
const MAX_AUTHENTICATION_LENGTH = 65_535
const NOTHING = Buffer.alloc(0)
const FIRST_PENDING_BYTES = 4096

/**
 * Chunks of a client's bytes -> whole messages. A message that lies whole in its chunk isn't copied; the head of
 * one that doesn't is, into a buffer that grows with what has arrived (never with what a hostile length promises).
 */
export class FrameReader {
  readonly #limits: FrameLimits
  readonly #onFrame: OnFrame
  readonly #bodyTaker: BodyTaker | undefined
  #typeBytes: 0 | 1 = 0
  #maxLength: number
  #isPaused = false
  #isDelivering = false
  #pending: Buffer = NOTHING
  #pendingLength = 0
  /** Still to come of a message that is taken in pieces. */
  #missingBytes = 0

  constructor(limits: FrameLimits, onFrame: OnFrame, bodyTaker?: BodyTaker) {
    this.#limits = limits
    this.#onFrame = onFrame
    this.#bodyTaker = bodyTaker
    this.#maxLength = limits.startupBytes
  }

  /** Bytes held back: of an incomplete message, or of messages that wait for resume(). */
  get pendingBytes(): number {
    return this.#pendingLength
  }

  /** What is pushed next begins a message, and will be delivered. */
  get isEmpty(): boolean {
    const isBetween = this.#pendingLength === 0 && this.#missingBytes === 0
    return isBetween && !this.#isPaused && !this.#isDelivering
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** The startup packet has come: what follows are messages with a type byte, of the size of a password or token. */
  expectMessages(): void {
    this.#typeBytes = 1
    this.#maxLength = MAX_AUTHENTICATION_LENGTH
  }

  /** The client is authenticated: from now on the large limit holds. */
  liftStartupLimit(): void {
    this.#maxLength = Math.min(this.#limits.messageBytes, MAX_LENGTH)
  }

  /** No frame is delivered after the current one until resume(). The caller pauses its socket as well. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    if (this.#isDelivering || this.#pendingLength === 0) return
    const held = this.#pending.subarray(0, this.#pendingLength)
    this.#pending = NOTHING
    this.#pendingLength = 0
    this.push(held, 0, held.length)
  }

  /** Throws ProtocolError; the session must end then. */
  push(chunk: Buffer, start: number, end: number): void {
    if (this.#isDelivering) throw new Error('push() called from onFrame')
    this.#isDelivering = true
    try {
      let at = start
      if (this.#missingBytes > 0 && !this.#isPaused) at = this.#piece(chunk, at, end)
      if (this.#pendingLength > 0 && !this.#isPaused) at = this.#completePending(chunk, at, end)
      if (!this.#isPaused && at < end) at = this.#deliver(chunk, at, end)
      if (at < end) this.#hold(chunk, at, end)
    } finally {
      this.#isDelivering = false
    }
  }

  /** Delivers the whole frames of [start, end) and returns where it stopped. */
  #deliver(chunk: Buffer, start: number, end: number): number {
    let at = start
    while (!this.#isPaused) {
      const size = this.#frameSize(chunk, at, end)
      if (size === 0) return at
      if (size > end - at) {
        const headerBytes = this.#typeBytes + 4
        if (!this.#comesInPieces(chunk[at] ?? 0)) return at
        this.#missingBytes = size - headerBytes
        return this.#piece(chunk, at + headerBytes, end)
      }
      this.#onFrame(this.#typeBytes === 0 ? 0 : (chunk[at] ?? 0), chunk, at, at + size)
      at += size
    }
    return at
  }

  /** Moves bytes to the pending frame until it is whole and delivered; returns how far the chunk was used. */
  #completePending(chunk: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      const size = this.#frameSize(this.#pending, 0, this.#pendingLength)
      const wanted = (size === 0 ? this.#typeBytes + 4 : size) - this.#pendingLength
      const used = Math.min(wanted, end - at)
      this.#hold(chunk, at, at + used)
      at += used
      if (size > 0 && this.#pendingLength === size) break
      if (size === 0 && this.#headerComesInPieces()) return this.#piece(chunk, at, end)
    }
    const size = this.#frameSize(this.#pending, 0, this.#pendingLength)
    if (size === 0 || size > this.#pendingLength) return at
    const frame = this.#pending
    this.#pending = NOTHING
    this.#pendingLength = 0
    this.#onFrame(this.#typeBytes === 0 ? 0 : (frame[0] ?? 0), frame, 0, size)
    return at
  }

  #comesInPieces(type: number): boolean {
    return this.#typeBytes === 1 && this.#bodyTaker?.takesPieces(type) === true
  }

  /** The header, just complete, is all that is pending; if so, it is dropped. */
  #headerComesInPieces(): boolean {
    const size = this.#frameSize(this.#pending, 0, this.#pendingLength)
    const bodyBytes = size - this.#pendingLength
    if (size === 0 || bodyBytes === 0 || !this.#comesInPieces(this.#pending[0] ?? 0)) return false
    this.#pending = NOTHING
    this.#pendingLength = 0
    this.#missingBytes = bodyBytes
    return true
  }

  /** Returns how far the chunk was used. */
  #piece(chunk: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#missingBytes)
    this.#missingBytes -= stop - start
    if (stop > start) this.#bodyTaker?.piece(chunk, start, stop)
    return stop
  }

  /** 0: the header isn't complete yet. */
  #frameSize(chunk: Buffer, at: number, end: number): number {
    const typeBytes = this.#typeBytes
    if (end - at < typeBytes + 4) return 0
    const length = chunk.readUInt32BE(at + typeBytes)
    if (length < 4 || length > this.#maxLength) {
      throw new ProtocolError(
        typeBytes === 0 ? 'invalid length of startup packet' : 'invalid message length',
      )
    }
    return length + typeBytes
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.#pendingLength + end - start
    if (needed > this.#pending.length) {
      const size = Math.max(needed, this.#pending.length * 2, FIRST_PENDING_BYTES)
      const grown = Buffer.allocUnsafeSlow(size)
      this.#pending.copy(grown, 0, 0, this.#pendingLength)
      this.#pending = grown
    }
    chunk.copy(this.#pending, this.#pendingLength, start, end)
    this.#pendingLength = needed
  }
}
