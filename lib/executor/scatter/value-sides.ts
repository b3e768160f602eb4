import type { BackendConnection } from '../../backend/backend-connection.ts'
import { Backend, Frontend } from '../../wire/message-codes.ts'
import { type FieldDescription, readRowDescription } from '../../wire/row-description.ts'
import { columnTypes } from '../column-types.ts'
import { CopyInStream } from '../copy/copy-in-stream.ts'
import { query } from '../node-client.ts'
import type { StatementContext } from '../ports.ts'
import { FIRST_USER_OID } from '../relay/row-description-mapping.ts'
import type { AnswerReader } from '../server-answer.ts'
import { copyData } from '../write/distribute-rows.ts'
import { COPY_HEADER, COPY_TRAILER } from '../write/hashed-rows.ts'
import type { ScatterFlow } from './scatter-flow.ts'

const TABLE = 'pg_temp.pgloom_values'
const BATCH_BYTES = 65_536
/** Of the type byte, the length, the count of columns and the length of the first, an int4. */
const FIRST_VALUE = 1 + 4 + 2 + 4
/** What fits a page stays in it; nothing is compressed, to be read once. */
const STORAGE = 'toast_tuple_target = 8160'

export type ExchangedRows = {
  readonly nodeIds: readonly number[]
  /** Of the columns after the first: what is grouped by, arrays of values, other aggregates. */
  readonly roles: readonly ('key' | 'value' | 'partial')[]
  /** The other aggregates are arrays, too. */
  readonly areLists: boolean
  readonly parts: number
}

/**
 * Rows of all shards, whose first column says which side they belong to: a temporary table on each node, filled by COPY as they
 * come, on connections beside the client's transaction.
 */
export class ValueSides {
  readonly #context: StatementContext
  readonly #flow: ScatterFlow
  readonly #failure: AbortController
  readonly #rows: ExchangedRows
  readonly #sides: readonly ValueSide[]
  #fields: readonly FieldDescription[] | undefined
  #opening: Promise<void> | undefined
  #congested = 0
  #isUnfit = false

  constructor(
    context: StatementContext,
    flow: ScatterFlow,
    failure: AbortController,
    rows: ExchangedRows,
  ) {
    this.#context = context
    this.#flow = flow
    this.#failure = failure
    this.#rows = rows
    this.#sides = rows.nodeIds.map(() => new ValueSide())
  }

  /** Of the columns after the first. */
  get fields(): readonly FieldDescription[] {
    return this.#fields?.slice(1) ?? []
  }

  /** All rows have come: what their types allow may not be known yet. */
  async described(): Promise<void> {
    await this.#opening
  }

  /** Their types don't go this way. */
  get isUnfit(): boolean {
    return this.#isUnfit
  }

  readonly readerFor = (): AnswerReader => ({
    message: (type, chunk, start, end) => {
      if (type === Backend.rowDescription) this.#describe(chunk.subarray(start, end))
    },
    row: (chunk, start, end) => this.#row(chunk, start, end),
  })

  /** After the last row: the connections, whose transactions are to be rolled back. */
  async finish(): Promise<readonly BackendConnection[]> {
    await this.#opening
    return Promise.all(this.#sides.map((side) => side.finish()))
  }

  /** FROM's item for a query over the rows of a part as they would be without arrays. */
  get source(): string {
    const { roles, areLists } = this.#rows
    const columns = roles.map((role, index) => {
      const name = `c${index + 1}`
      if (role === 'key') return `t.${name}`
      const isList = role === 'value' || areLists
      return `pg_catalog.unnest(${isList ? `t.${name}` : `ARRAY[t.${name}]`}) AS ${name}`
    })
    return `(SELECT ${columns.join(', ')} FROM ${TABLE} AS t WHERE t.c0 = pgloom_part) AS s`
  }

  /** Runs a query over source for each part of a side: what is sorted at once fits memory rather. */
  eachPart(query: string, side: number): string {
    const { parts, nodeIds } = this.#rows
    const own = `pg_catalog.generate_series(${side}, ${parts - 1}, ${nodeIds.length})`
    return `SELECT n.* FROM ${own} AS pgloom_part, LATERAL (${query}) AS n`
  }

  /** Leaves all connections fit for use; harmless after finish(). */
  async leave(): Promise<void> {
    await this.#opening?.catch(() => undefined)
    await Promise.all(this.#sides.map((side) => side.leave()))
  }

  #describe(frame: Buffer): void {
    if (this.#fields !== undefined) return
    this.#fields = readRowDescription(frame)
    // OIDs of one node say nothing to another
    this.#isUnfit = this.#fields.some(({ typeOid }) => typeOid >= FIRST_USER_OID)
    if (this.#isUnfit) return
    this.#flow.pause()
    this.#opening = this.#open(this.#fields)
    // a failure stops the shards through `failure`; finish() sees it too
    this.#opening.catch((error: unknown) => this.#failure.abort(error))
  }

  /** One after the other: two sessions that wait for full pools can't wait for each other. */
  async #open(fields: readonly FieldDescription[]): Promise<void> {
    const { signal } = this.#context
    const { nodeIds, roles, areLists } = this.#rows
    for (const [index, nodeId] of nodeIds.entries()) {
      const connection = await this.#context.sideConnection(nodeId)
      const types = await columnTypes(connection, fields)
      this.#isUnfit = fields.some((_, column) => {
        const isPlain = areLists || roles[column - 1] !== 'partial'
        return !isPlain && types[column]?.fitsArray !== true
      })
      if (this.#isUnfit) break
      const columns = types.map(({ name }, column) => `c${column} ${name}`)
      await this.#sides[index]?.open(connection, columns, signal)
    }
    this.#flow.resume()
  }

  #row(chunk: Buffer, start: number, end: number): void {
    if (this.#isUnfit) return
    const side = this.#sides[chunk.readInt32BE(start + FIRST_VALUE) % this.#sides.length]
    const drained = side?.add(chunk, start, end)
    if (drained === undefined) return
    this.#congested++
    this.#flow.pause()
    const resume = (): void => {
      this.#congested--
      if (this.#congested === 0) this.#flow.resume()
    }
    drained.then(resume, resume)
  }
}

class ValueSide {
  #connection: BackendConnection | undefined
  #stream: CopyInStream | undefined
  #batch = Buffer.allocUnsafe(BATCH_BYTES)
  #length = 0

  async open(
    connection: BackendConnection,
    columns: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    await query(connection, 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
    this.#connection = connection
    const lists = columns.flatMap((column) => {
      const [name] = column.split(' ')
      return column.endsWith('[]') ? [`ALTER ${name} SET STORAGE EXTERNAL`] : []
    })
    const actions = [...lists, `SET (${STORAGE})`].join(', ')
    await query(
      connection,
      `CREATE TEMPORARY TABLE ${TABLE} (${columns.join(', ')}) ON COMMIT DROP; ALTER TABLE ${TABLE} ${actions}`,
    )
    const copy = `COPY ${TABLE} FROM STDIN (FORMAT binary)`
    this.#stream = new CopyInStream(connection, copy, { signal })
    await this.#stream.write(copyData(COPY_HEADER))
  }

  /** A promise: wait before adding more. */
  add(chunk: Buffer, start: number, end: number): Promise<void> | undefined {
    const size = end - start
    const drained = this.#length + size > this.#batch.length ? this.#flush() : undefined
    if (this.#length + size > this.#batch.length) this.#reserve(size)
    chunk.copy(this.#batch, this.#length, start, end)
    this.#batch[this.#length] = Frontend.copyData
    this.#length += size
    return drained
  }

  async finish(): Promise<BackendConnection> {
    if (this.#connection === undefined) throw new Error('a side that was not opened')
    await this.#flush()
    await this.#stream?.finish(copyData(COPY_TRAILER))
    this.#stream = undefined
    // each part is read by itself
    await query(this.#connection, `CREATE INDEX ON ${TABLE} (c0)`)
    return this.#connection
  }

  async leave(): Promise<void> {
    await this.#stream?.abort('canceled')
    this.#stream = undefined
    const connection = this.#connection
    this.#connection = undefined
    if (connection?.state === 'ready') await query(connection, 'ROLLBACK')
  }

  /** Before it is open the rows wait here: few, as the flow is paused. */
  #flush(): Promise<void> | undefined {
    if (this.#stream === undefined || this.#length === 0) return undefined
    const batch = this.#batch.subarray(0, this.#length)
    this.#batch = Buffer.allocUnsafe(BATCH_BYTES)
    this.#length = 0
    return this.#stream.write(batch)
  }

  #reserve(size: number): void {
    const grown = Buffer.allocUnsafe(Math.max(this.#length + size, this.#batch.length * 2))
    this.#batch.copy(grown, 0, 0, this.#length)
    this.#batch = grown
  }
}
