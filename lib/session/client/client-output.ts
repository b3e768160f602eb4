import { type Flushable, flushThisTurn } from '../../backend/flush-turn.ts'
import { TrafficCounters } from '../../backend/traffic-counters.ts'
import type { ClientPort } from '../../executor/ports.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import type { ClientSocket } from './client-socket.ts'

/** A piece up to this size is copied into the arena; a larger one is handed to the socket as it is. */
const COPY_LIMIT_BYTES = 4096
/** An arena that has grown so far is written at once. */
const ARENA_LIMIT_BYTES = 64 * 1024
/** More than this waiting in the socket: the sources must pause. Above the stream's own mark, so 'drain' follows. */
const CONGESTION_BYTES = 256 * 1024
/** What one client may let pile up where a pause would stop others too. */
const FLOOD_BYTES = 1024 * 1024

/** Where the executor's side of a COPY FROM STDIN reads. Implemented by copy-inbox.ts. */
export interface CopySource {
  messages(): AsyncIterable<Buffer>
}

/**
 * Everything that goes to one client. Small pieces gather in an arena that leaves with one write at the end of
 * the event-loop turn (setImmediate comes right after the poll phase, so that nothing waits longer than the
 * work at hand). A buffer which the socket could not pass to the kernel at once is given away; an idle client has none.
 */
export class ClientOutput implements ClientPort, Flushable {
  readonly log: { readonly sessionId: number }
  /** Takes what is sent; replaced when it is known who the client is. */
  counters = new TrafficCounters()
  readonly #socket: ClientSocket
  readonly #copySource: CopySource
  readonly #arena = FrameWriter.shared()
  #isScheduled = false
  #isClosed = false
  #bytesWritten = 0
  #drainWaiters: (() => void)[] = []

  constructor(socket: ClientSocket, sessionId: number, copySource: CopySource) {
    this.#socket = socket
    this.log = { sessionId }
    this.#copySource = copySource
  }

  /** The socket has drained. */
  drained(): void {
    const waiters = this.#drainWaiters
    if (waiters.length === 0) return
    this.#drainWaiters = []
    for (const resume of waiters) resume()
  }

  /** The socket is closed: whoever waits goes on, and what is written from now on is dropped. */
  closed(): void {
    this.#isClosed = true
    this.drained()
  }

  /** Bytes for the client so far: unchanged means that the client has seen nothing of a statement. */
  get bytesWritten(): number {
    return this.#bytesWritten + this.#arena.length
  }

  get isCongested(): boolean {
    return !this.#isClosed && this.#socket.pendingBytes >= CONGESTION_BYTES
  }

  get isFlooded(): boolean {
    return !this.#isClosed && this.#socket.pendingBytes >= FLOOD_BYTES
  }

  /** For messages of our own: append whole ones before the turn ends. Don't keep the writer. */
  get frames(): FrameWriter {
    if (this.#arena.length >= ARENA_LIMIT_BYTES) this.flush()
    this.#schedule()
    return this.#arena
  }

  write(chunk: Buffer, start: number, end: number): 'taken' | 'kept' {
    const length = end - start
    if (length <= COPY_LIMIT_BYTES) {
      this.frames.bytes(chunk, start, end)
      return 'taken'
    }
    if (this.#isClosed) return 'taken'
    const isAlone = this.#arena.length === 0
    if (!isAlone) this.#socket.cork()
    this.flush()
    this.#bytesWritten += length
    this.counters.bytesSent += length
    const isTaken = this.#socket.write(chunk.subarray(start, end))
    if (isAlone) return isTaken ? 'taken' : 'kept'
    return this.#socket.uncork() ? 'taken' : 'kept'
  }

  /** From where it is, unless something waits before it: so at most one chunk is kept for a client that doesn't read. */
  writeNow(chunk: Buffer, start: number, end: number): 'taken' | 'kept' {
    const isFirst = this.#arena.length === 0 && this.#socket.takesAtOnce
    if (!isFirst || this.#isClosed) {
      const outcome = this.write(chunk, start, end)
      this.flush()
      return outcome
    }
    this.#bytesWritten += end - start
    this.counters.bytesSent += end - start
    return this.#socket.write(chunk.subarray(start, end)) ? 'taken' : 'kept'
  }

  flush(): void {
    const arena = this.#arena
    if (arena.length === 0) return
    if (this.#isClosed) {
      arena.reset()
      return
    }
    this.#bytesWritten += arena.length
    this.counters.bytesSent += arena.length
    const isTaken = this.#socket.write(arena.buffer.subarray(0, arena.length))
    if (isTaken) arena.reset()
    else arena.take()
  }

  /** Called by flush-turn. */
  flushNow(): void {
    this.#isScheduled = false
    this.flush()
  }

  whenDrained(resume: () => void): void {
    if (this.isCongested) this.#drainWaiters.push(resume)
    else setImmediate(resume)
  }

  copyData(): AsyncIterable<Buffer> {
    return this.#copySource.messages()
  }

  /** Sends what is left, then closes our side. */
  end(): void {
    this.flush()
    if (!this.#isClosed) this.#socket.end()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    flushThisTurn(this)
  }
}
