import { Backend } from '../../wire/message-codes.ts'

/** What happens with the answer to one request message, in the order in which they were (or would have been) sent. */
export const Answer = {
  /** The client asked for it. */
  pass: 0,
  /** We asked for it: Parse of a statement that the connection did not have, say. */
  swallow: 1,
  /** The client asked for it, the server wasn't bothered: we answer. */
  parseComplete: 2,
  bindComplete: 3,
  closeComplete: 4,
} as const
export type Answer = (typeof Answer)[keyof typeof Answer]

/** Each is a whole message without a body. */
const CONSTANT_FRAMES: readonly (Buffer | undefined)[] = [
  undefined,
  undefined,
  frame(Backend.parseComplete),
  frame(Backend.bindComplete),
  frame(Backend.closeComplete),
]

function frame(type: number): Buffer {
  return Buffer.from([type, 0, 0, 0, 4])
}

/**
 * The answers of one extended-protocol request (up to its Sync), one entry for each Parse, Bind, Describe, Execute
 * and Close. Filled while the request is written, used up while its answer comes back, then reused. In the simple
 * protocol it stays empty: everything passes.
 */
export class AnswerScript {
  #answers = new Uint8Array(16)
  #length = 0
  #next = 0

  reset(): void {
    this.#length = 0
    this.#next = 0
  }

  add(answer: Answer): void {
    if (this.#length === this.#answers.length) {
      const grown = new Uint8Array(this.#length * 2)
      grown.set(this.#answers)
      this.#answers = grown
    }
    this.#answers[this.#length++] = answer
  }

  /** Answers that have come, or were given by us. */
  get consumed(): number {
    return this.#next
  }

  /** The client's answers given so far, ours and the server's: after an error, which request it belongs to. */
  get answered(): number {
    let count = 0
    for (let index = 0; index < this.#next; index++) {
      if (this.#answers[index] !== Answer.swallow) count++
    }
    return count
  }

  /** Our own answer that is due now, or undefined: the server's turn. */
  takeOwn(): Buffer | undefined {
    const own =
      this.#next < this.#length ? CONSTANT_FRAMES[this.#answers[this.#next] ?? 0] : undefined
    if (own !== undefined) this.#next++
    return own
  }

  /** Whether the server's next answer is for the client. Past the end: yes. */
  get passesNext(): boolean {
    return this.#next >= this.#length || this.#answers[this.#next] === Answer.pass
  }

  /** The server's answer to one request message is complete. */
  advance(): void {
    if (this.#next < this.#length) this.#next++
  }
}
