import type { BackendConnection } from '../../backend/backend-connection.ts'
import { Backend } from '../../wire/message-codes.ts'
import type { FieldDescription } from '../../wire/row-description.ts'
import { type ClientPort, COPIED_BYTES, type StatementContext } from '../ports.ts'
import { mendMessage } from '../relay/error-rewriting.ts'
import { mapRowDescription } from '../relay/row-description-mapping.ts'
import { type AnswerReader, tagCount } from '../server-answer.ts'
import { checkColumns } from '../stale-statement.ts'
import type { ScatterFlow } from './scatter-flow.ts'

/**
 * Passes the rows of several answers on to the client as they come, under one RowDescription, and holds all sources
 * back while the client is congested.
 */
export class ConcatenatedRows {
  readonly #context: StatementContext
  readonly #client: ClientPort
  readonly #flow: ScatterFlow
  readonly #rowLimit: number
  readonly #expectedFields: readonly FieldDescription[] | undefined
  #awaitsDescription: boolean
  #hasPassed = false
  #rowCount = 0
  #tagTotal = 0
  /** The tag without its count, for example `INSERT 0`. */
  #tagWord = ''

  constructor(
    context: StatementContext,
    flow: ScatterFlow,
    sendsRowDescription: boolean,
    rowLimit = Number.POSITIVE_INFINITY,
    expectedFields?: readonly FieldDescription[],
  ) {
    this.#context = context
    this.#client = context.client
    this.#flow = flow
    this.#awaitsDescription = sendsRowDescription
    this.#rowLimit = rowLimit
    this.#expectedFields = expectedFields
  }

  /** Rows given to the client. */
  get rowCount(): number {
    return this.#rowCount
  }

  /** The client has got something of the answer. */
  get hasAnswered(): boolean {
    return this.#hasPassed || this.#rowCount > 0
  }

  /** For example `UPDATE 7`: the counts of all commands together. */
  get summedTag(): string {
    return `${this.#tagWord} ${this.#tagTotal}`
  }

  readonly readerFor = (connection: BackendConnection): AnswerReader => ({
    message: (type, chunk, start, end) => this.#message(connection, type, chunk, start, end),
    row: (chunk, start, end) => this.#row(chunk, start, end),
    complete: (tag) => this.#complete(tag),
    notice: (chunk, start, end) => {
      const notice = mendMessage(chunk, start, end, { positions: 'drop' })
      this.#client.write(notice, 0, notice.length)
    },
  })

  /** All rows of all connections: they pass in runs, uncounted but for the tags. */
  readonly runsFor = (connection: BackendConnection): AnswerReader => ({
    ...this.readerFor(connection),
    // connections take turns
    hasWholeRuns: true,
    run: (chunk, start, end) => {
      this.#hasPassed = true
      const kept = this.#client.write(chunk, start, end) === 'kept'
      this.#holdBack()
      return kept
    },
  })

  #message(
    { node }: BackendConnection,
    type: number,
    chunk: Buffer,
    start: number,
    end: number,
  ): void {
    if (type !== Backend.rowDescription) return
    const description = Buffer.from(chunk.subarray(start, end))
    const { catalog } = this.#context
    const refusal = mapRowDescription(
      description,
      0,
      description.length,
      node.nodeId,
      catalog,
      true,
    )
    if (refusal !== undefined) throw refusal
    checkColumns(description, this.#expectedFields)
    if (!this.#awaitsDescription) return
    this.#awaitsDescription = false
    this.#hasPassed = true
    this.#client.write(description, 0, description.length)
  }

  #row(chunk: Buffer, start: number, end: number): void {
    if (this.#rowCount >= this.#rowLimit) return
    this.#rowCount++
    // rows of several connections take turns, so each must be written whole, and copied if it would be kept
    if (end - start < COPIED_BYTES) this.#client.write(chunk, start, end)
    else this.#client.write(Buffer.from(chunk.subarray(start, end)), 0, end - start)
    this.#holdBack()
    if (this.#rowCount === this.#rowLimit) this.#flow.onFull?.()
  }

  #holdBack(): void {
    if (!this.#client.isCongested) return
    this.#flow.pause()
    this.#client.whenDrained(this.#flow.resume)
  }

  #complete(tag: string): void {
    this.#tagWord = tag.slice(0, Math.max(tag.lastIndexOf(' '), 0))
    this.#tagTotal += tagCount(tag)
  }
}
