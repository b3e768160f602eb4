/** Messages that wait while a statement runs: beyond this the socket isn't read. */
const MAX_QUEUED_BYTES = 1024 * 1024
const MAX_QUEUED_MESSAGES = 10_000

/** A private copy of one client message: type byte, length, body. */
export type QueuedMessage = { readonly type: number; readonly frame: Buffer }

/**
 * Messages of one client that wait for their turn, in order. Each frame is copied once on its way in, since the
 * reader's chunk is gone after its callback. The session stops reading the socket when the inbox is full, so the bound is
 * its limits plus what one read brings.
 */
export class MessageInbox {
  #messages: (QueuedMessage | undefined)[] = []
  #head = 0
  #byteLength = 0

  get length(): number {
    return this.#messages.length - this.#head
  }

  get byteLength(): number {
    return this.#byteLength
  }

  get isFull(): boolean {
    return this.#byteLength > MAX_QUEUED_BYTES || this.length > MAX_QUEUED_MESSAGES
  }

  push(type: number, frame: Buffer): void {
    this.#messages.push({ type, frame: Buffer.from(frame) })
    this.#byteLength += frame.length
  }

  /** Whole messages, before all others. */
  putBack(messages: Buffer): void {
    const first: QueuedMessage[] = []
    for (let at = 0; at < messages.length; ) {
      const end = at + 1 + messages.readInt32BE(at + 1)
      first.push({ type: messages[at] ?? 0, frame: messages.subarray(at, end) })
      at = end
    }
    this.#messages = [...first, ...this.#messages.slice(this.#head)]
    this.#head = 0
    this.#byteLength += messages.length
  }

  peek(index = 0): QueuedMessage | undefined {
    return this.#messages[this.#head + index]
  }

  shift(): QueuedMessage | undefined {
    const message = this.#messages[this.#head]
    if (message === undefined) return undefined
    this.#messages[this.#head++] = undefined
    this.#byteLength -= message.frame.length
    if (this.#head === this.#messages.length) {
      this.#messages = []
      this.#head = 0
    } else if (this.#head > 1024) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
    return message
  }

  clear(): void {
    this.#messages = []
    this.#head = 0
    this.#byteLength = 0
  }
}
