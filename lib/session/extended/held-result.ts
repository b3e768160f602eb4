import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { ClientPort } from '../../executor/ports.ts'
import { Backend, HEADER_BYTES } from '../../wire/message-codes.ts'
import type { ClientOutput } from '../client/client-output.ts'

/** A result that is fetched piece by piece is held whole, up to this size. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/**
 * The rows of a portal over several shards whose client fetches a few at a time. The shards are read to the end at once,
 * so that their connections stay free for the transaction's next statements; hence the bound.
 */
export class HeldResult implements ClientPort {
  readonly isCongested = false
  readonly #output: ClientOutput
  readonly #pieces: Buffer[] = []
  #byteLength = 0
  #rows: Buffer = Buffer.alloc(0)
  #position = 0
  #tag: string | undefined

  constructor(output: ClientOutput) {
    this.#output = output
  }

  get log(): { readonly sessionId: number } {
    return this.#output.log
  }

  write(chunk: Buffer, start: number, end: number): 'taken' | 'kept' {
    this.#byteLength += end - start
    if (this.#byteLength > MAX_HELD_BYTES) {
      throw new RouterError(
        SqlState.configurationLimitExceeded,
        'the result is too large to be fetched in pieces',
        { hint: 'Fetch all rows at once, or restrict the query to one tenant.' },
      )
    }
    this.#pieces.push(Buffer.from(chunk.subarray(start, end)))
    return 'taken'
  }

  whenDrained(resume: () => void): void {
    setImmediate(resume)
  }

  copyData(): AsyncIterable<Buffer> {
    return this.#output.copyData()
  }

  get isComplete(): boolean {
    return this.#tag !== undefined
  }

  complete(tag: string): void {
    this.#tag = tag
    this.#rows = Buffer.concat(this.#pieces)
    this.#pieces.length = 0
  }

  /**
   * Passes up to `maxRows` rows on (0: all) and returns the command tag, or undefined when the portal is suspended.
   */
  fetch(maxRows: number): string | undefined {
    const rows = this.#rows
    let count = 0
    let end = this.#position
    while (end < rows.length && (maxRows === 0 || count < maxRows)) {
      if (rows[end] === Backend.dataRow) count++
      end += rows.readUInt32BE(end + 1) + HEADER_BYTES - 4
    }
    this.#output.write(rows, this.#position, end)
    this.#position = end
    if (maxRows > 0 && count === maxRows) return undefined
    // each piece has a count of its own, as in Postgres
    const tag = this.#tag ?? ''
    return tag.startsWith('SELECT') ? `SELECT ${count}` : tag
  }
}
