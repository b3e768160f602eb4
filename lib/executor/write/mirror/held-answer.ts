import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { ClientPort } from '../../ports.ts'

const MAX_BYTES = 64 * 1024 * 1024

/** The answer of a statement that may have to run once more: the client sees it when it counts. */
export class HeldAnswer implements ClientPort {
  readonly isCongested = false
  readonly #client: ClientPort
  readonly #pieces: Buffer[] = []
  #byteLength = 0

  constructor(client: ClientPort) {
    this.#client = client
  }

  get log(): { readonly sessionId: number } {
    return this.#client.log
  }

  write(chunk: Buffer, start: number, end: number): 'taken' {
    this.#byteLength += end - start
    if (this.#byteLength > MAX_BYTES) {
      throw new RouterError(
        SqlState.configurationLimitExceeded,
        'too much is returned by a statement whose ON CONFLICT reads other tables or stands in WITH',
        { hint: 'Return fewer columns, or insert fewer rows at once.' },
      )
    }
    this.#pieces.push(Buffer.from(chunk.subarray(start, end)))
    return 'taken'
  }

  whenDrained(resume: () => void): void {
    setImmediate(resume)
  }

  copyData(): AsyncIterable<Buffer> {
    return this.#client.copyData()
  }

  async pass(): Promise<void> {
    const client = this.#client
    for (const piece of this.#pieces) {
      client.write(piece, 0, piece.length)
      if (client.isCongested) await new Promise<void>((resolve) => client.whenDrained(resolve))
    }
  }
}
