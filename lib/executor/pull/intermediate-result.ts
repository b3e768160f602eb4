import type { BackendConnection } from '../../backend/backend-connection.ts'
import { copyAcross } from '../copy/copy-across.ts'
import { CopyInStream } from '../copy/copy-in-stream.ts'
import type { StatementContext } from '../ports.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { GatheredRows, TEMPORARY_TABLE } from '../scatter/gathered-rows.ts'
import { scatter } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { copyData } from '../write/distribute-rows.ts'
import { COPY_HEADER, COPY_TRAILER } from '../write/hashed-rows.ts'
import { analyze, type NodeTable } from './broadcast-tables.ts'
import type { FilledRows, Filling } from './pulled.ts'
import { takeBytes } from './pulled-table.ts'

/** So much of one result is kept in memory; what is larger lies in a table on a side connection until it is released. */
const MEMORY_BYTES = 4_194_304

const BINARY = [1]

/** Rows of all shards, to be written into tables on several nodes. */
export class IntermediateResult {
  readonly #gathered: GatheredRows
  readonly #context: StatementContext
  readonly #side: BackendConnection | undefined
  /** A COPY at a time can leave the side connection. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    gathered: GatheredRows,
    side: BackendConnection | undefined,
    context: StatementContext,
  ) {
    this.#gathered = gathered
    this.#side = side
    this.#context = context
  }

  get byteLength(): number {
    return this.#gathered.receivedBytes
  }

  async writeTo(
    connection: BackendConnection,
    { name, wanted = [] }: Pick<NodeTable, 'name' | 'wanted'>,
  ): Promise<void> {
    const list = wanted.map(quoteIdentifier).join(', ')
    const copy = `COPY ${name} (${list}) FROM STDIN (FORMAT binary)`
    const { rowCount } = this.#gathered
    if (this.#side === undefined) await this.#writeMemory(connection, copy)
    else await this.#inTurn(this.#side, connection, copy)
    await analyze(connection, name, wanted, rowCount)
  }

  #inTurn(side: BackendConnection, connection: BackendConnection, copy: string): Promise<unknown> {
    const work = () =>
      copyAcross(side, `* FROM ${TEMPORARY_TABLE}`, connection, copy, this.#context)
    this.#last = this.#last.then(work)
    return this.#last
  }

  async #writeMemory(connection: BackendConnection, copy: string): Promise<void> {
    const stream = new CopyInStream(connection, copy, this.#context)
    try {
      await stream.write(copyData(COPY_HEADER))
      if (this.#gathered.rowCount > 0) await stream.write(this.#gathered.rows)
      await stream.finish(copyData(COPY_TRAILER))
    } catch (error) {
      await stream.abort('canceled')
      throw error
    }
  }

  release(): Promise<void> {
    return this.#gathered.leaveSide()
  }
}

/** The caller releases it. */
export async function gatherResult(
  rows: FilledRows,
  { execution, context, keys, allowance }: Filling,
): Promise<IntermediateResult> {
  const flow = new ScatterFlow()
  const failure = new AbortController()
  const signal = AbortSignal.any([context.signal, failure.signal])
  const gathered = new GatheredRows(context, flow, failure, MEMORY_BYTES)
  try {
    const request = await scatterRequest(rows, execution, context, keys, {
      resultFormats: BINARY,
      maxRows: 0,
      access: 'read',
    })
    const readerFor = (connection: BackendConnection) => {
      const reader = gathered.readerFor(connection)
      return {
        ...reader,
        row: (chunk: Buffer, start: number, end: number) => {
          takeBytes(allowance, end - start)
          reader.row?.(chunk, start, end)
        },
      }
    }
    await scatter({ ...request, kept: undefined }, context, flow, readerFor, signal)
    return new IntermediateResult(gathered, await gathered.finish(), context)
  } catch (error) {
    await gathered.abandon()
    throw error
  }
}
