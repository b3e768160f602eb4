import { Backend, HEADER_BYTES } from '../../wire/message-codes.ts'
import type { ClientPort, StatementContext } from '../ports.ts'

/** For what runs under EXPLAIN ANALYZE: its rows are nobody's. */
export class NoticesOnly implements ClientPort {
  readonly isCongested = false
  readonly #client: ClientPort

  constructor({ client }: Pick<StatementContext, 'client'>) {
    this.#client = client
  }

  get log() {
    return this.#client.log
  }

  /** Whole messages. */
  write(chunk: Buffer, start: number, end: number): 'taken' {
    for (let at = start; at < end; ) {
      const next = at + chunk.readUInt32BE(at + 1) + HEADER_BYTES - 4
      if (chunk[at] === Backend.noticeResponse) {
        const notice = Buffer.from(chunk.subarray(at, next))
        this.#client.write(notice, 0, notice.length)
      }
      at = next
    }
    return 'taken'
  }

  whenDrained(resume: () => void): void {
    setImmediate(resume)
  }

  copyData(): AsyncIterable<Buffer> {
    throw new Error('there is no client')
  }
}
