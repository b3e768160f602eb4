import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import { Backend, Frontend } from '../../wire/message-codes.ts'
import { type FieldDescription, readRowDescription } from '../../wire/row-description.ts'
import { columnTypes } from '../column-types.ts'
import { CopyInStream } from '../copy/copy-in-stream.ts'
import { query } from '../node-client.ts'
import type { StatementContext } from '../ports.ts'
import { RECORD, RECORD_ARRAY, typeOnCoordinator } from '../relay/row-description-mapping.ts'
import type { AnswerReader } from '../server-answer.ts'
import { copyData } from '../write/distribute-rows.ts'
import { COPY_HEADER, COPY_TRAILER } from '../write/hashed-rows.ts'
import type { ScatterFlow } from './scatter-flow.ts'

/** So much is kept in memory; more goes to a temporary table on the coordinator as it comes. */
export const MEMORY_BYTES = 1_048_576
const BATCH_BYTES = 65_536
export const TEMPORARY_TABLE = 'pg_temp.pgloom_gathered'

/**
 * The rows of all shards in binary, as CopyData messages (a binary DataRow is a COPY tuple but for the type byte):
 * in memory while they are few, else streamed into a temporary table on a side connection.
 */
export class GatheredRows {
  readonly #context: StatementContext
  readonly #flow: ScatterFlow
  readonly #memoryBytes: number
  #buffer = Buffer.allocUnsafe(BATCH_BYTES)
  #length = 0
  #rowCount = 0
  #receivedBytes = 0
  #fields: readonly FieldDescription[] | undefined
  #spilling: Promise<void> | undefined
  #stream: CopyInStream | undefined
  #side: BackendConnection | undefined
  readonly #failure: AbortController

  constructor(
    context: StatementContext,
    flow: ScatterFlow,
    failure: AbortController,
    memoryBytes = MEMORY_BYTES,
  ) {
    this.#context = context
    this.#flow = flow
    this.#failure = failure
    this.#memoryBytes = memoryBytes
  }

  get fields(): readonly FieldDescription[] {
    if (this.#fields === undefined) throw new Error('no shard has described its rows')
    return this.#fields
  }

  get rowCount(): number {
    return this.#rowCount
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** The rows as messages, while they are in memory. */
  get rows(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  readonly readerFor = (connection: BackendConnection): AnswerReader => ({
    message: (type, chunk, start, end) => {
      if (type === Backend.rowDescription) this.#describe(connection, chunk.subarray(start, end))
    },
    row: (chunk, start, end) => this.#row(chunk, start, end),
  })

  /**
   * After the last row. The connection whose temporary table holds the rows (inside a transaction that is to be
   * rolled back), or undefined: they are in memory.
   */
  async finish(): Promise<BackendConnection | undefined> {
    await this.#spilling
    if (this.#stream === undefined) return undefined
    this.#flushBatch()
    await this.#stream.finish(copyData(COPY_TRAILER))
    this.#stream = undefined
    return this.#side
  }

  /** Moves what is in memory to the temporary table too: the rows' types don't fit arrays. */
  spill(): Promise<void> {
    this.#spilling ??= this.#startSpilling()
    return this.#spilling
  }

  /** After a failure: leaves the side connection fit for use. */
  async abandon(): Promise<void> {
    await this.#spilling?.catch(() => undefined)
    await this.#stream?.abort('canceled')
    await this.leaveSide()
  }

  /** Ends the side connection's transaction, and with it the temporary table. */
  async leaveSide(): Promise<void> {
    const side = this.#side
    this.#side = undefined
    if (side !== undefined) await query(side, 'ROLLBACK')
  }

  #describe({ node }: BackendConnection, frame: Buffer): void {
    const { catalog } = this.#context
    const fields = readRowDescription(frame).map((field) => {
      const { typeOid, name } = field
      if (typeOid === RECORD || typeOid === RECORD_ARRAY) throw notCombined(name, 'type record')
      const own = typeOnCoordinator(catalog, node.nodeId, typeOid)
      if (own === undefined) throw notCombined(name, 'a type that the coordinator does not have')
      return { ...field, typeOid: own }
    })
    this.#fields ??= fields
    if (!sameTypes(this.#fields, fields)) {
      throw new RouterError(SqlState.internalError, 'shards disagree about the types of a result')
    }
  }

  #row(chunk: Buffer, start: number, end: number): void {
    this.#reserve(end - start)
    chunk.copy(this.#buffer, this.#length, start, end)
    this.#buffer[this.#length] = Frontend.copyData
    this.#length += end - start
    this.#rowCount++
    this.#receivedBytes += end - start
    if (this.#stream !== undefined) {
      if (this.#length >= BATCH_BYTES) this.#flushBatch()
    } else if (this.#length > this.#memoryBytes && this.#spilling === undefined) {
      this.#flow.pause()
      // a failure stops the shards through `failure`; finish() and abandon() see it too
      this.spill().catch((error: unknown) => this.#failure.abort(error))
    }
  }

  #reserve(size: number): void {
    const needed = this.#length + size
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }

  async #startSpilling(): Promise<void> {
    const side = await this.#context.sideConnection(coordinatorOf(this.#context.catalog).nodeId)
    const types = await columnTypes(side, this.fields)
    const columns = types.map(({ name }, index) => `c${index + 1} ${name}`)
    await query(side, 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
    this.#side = side
    await query(
      side,
      `CREATE TEMPORARY TABLE ${TEMPORARY_TABLE} (${columns.join(', ')}) ON COMMIT DROP`,
    )
    const stream = new CopyInStream(side, `COPY ${TEMPORARY_TABLE} FROM STDIN (FORMAT binary)`, {
      signal: this.#context.signal,
    })
    await stream.write(copyData(COPY_HEADER))
    this.#stream = stream
    this.#flow.resume()
    this.#flushBatch()
  }

  #flushBatch(): void {
    if (this.#length === 0) return
    const batch = this.#buffer.subarray(0, this.#length)
    this.#buffer = Buffer.allocUnsafe(BATCH_BYTES)
    this.#length = 0
    const drained = this.#stream?.write(batch)
    if (drained === undefined) return
    this.#flow.pause()
    drained.then(this.#flow.resume, this.#flow.resume)
  }
}

function notCombined(column: string, what: string): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `rows with a column of ${what} cannot be combined from several shards`,
    { detail: `column "${column}"`, hint: 'Cast it to text, or to another built-in type.' },
  )
}

function sameTypes(a: readonly FieldDescription[], b: readonly FieldDescription[]): boolean {
  return a.length === b.length && a.every(({ typeOid }, index) => typeOid === b[index]?.typeOid)
}
