import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Catalog, DistributedTable, Shard } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { CopyPlan } from '../../planner/plan.ts'
import { Backend, HEADER_BYTES } from '../../wire/message-codes.ts'
import {
  type ClientPort,
  COPIED_BYTES,
  type CommandTag,
  type Execution,
  type StatementContext,
} from '../ports.ts'
import { mendMessage } from '../relay/error-rewriting.ts'
import { quotedSchema, quoteIdentifier } from '../relay/quoted-schema.ts'
import { ValueOids } from '../relay/value-oids.ts'
import { runOnNodes } from '../scatter/node-parts.ts'
import { notInOneStep } from '../scatter/one-moment.ts'
import type { ReaderFactory } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import { type AnswerReader, tagCount } from '../server-answer.ts'
import { sendQuery } from '../simple-request.ts'
import { copyData } from '../write/distribute-rows.ts'
import { COPY_HEADER, COPY_TRAILER } from '../write/hashed-rows.ts'

const COPY_DONE = Buffer.from([Backend.copyDone, 0, 0, 0, 4])

export type CopyFormat = Pick<CopyPlan, 'format' | 'hasHeader'> & {
  /** Of the columns, on the coordinator; absent in text: nothing need be mapped. */
  readonly types?: readonly number[] | undefined
}

/** COPY table TO STDOUT. */
export function copyTable(
  plan: CopyPlan,
  table: DistributedTable,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const textFor = (shard: Shard): Buffer => {
    const name = `${quotedSchema(shard).toString()}.${quoteIdentifier(table.name)}`
    const { start, end } = plan.target
    return Buffer.concat([
      execution.text.subarray(0, start),
      Buffer.from(name),
      execution.text.subarray(end),
    ])
  }
  const types = binaryTypes(plan, table)
  return copyShards(table.shards, textFor, { ...plan, types }, context)
}

function binaryTypes(
  { format, columns }: CopyPlan,
  table: DistributedTable,
): readonly number[] | undefined {
  if (format !== 'binary') return undefined
  const typeOf = (name: string) => table.columns.find((column) => column.name === name)?.typeOid
  return columns.map((name) => typeOf(name) ?? 0)
}

/** One COPY TO STDOUT of each shard: their rows one after the other, in no order, as one COPY. */
export async function copyShards(
  allShards: readonly Shard[],
  textFor: (shard: Shard) => Buffer,
  format: CopyFormat,
  context: StatementContext,
  rowLimit = Number.POSITIVE_INFINITY,
): Promise<CommandTag> {
  if (context.moment !== undefined) throw notInOneStep()
  const flow = new ScatterFlow()
  const output = new CopyOutput(format, context, flow, rowLimit)
  await runOnNodes(allShards, 'read', context, flow, (connection, shards) => {
    // one Query a node: its commands are one transaction, and the first error ends them all
    const texts = shards
      .map(textFor)
      .flatMap((text, index) => (index === 0 ? [text] : [SEMICOLON, text]))
    const mending = { positions: 'drop' } as const
    return sendQuery(
      connection,
      Buffer.concat(texts),
      output.readerFor(connection, shards),
      mending,
    )
  })
  output.finish()
  return `COPY ${output.rowCount}`
}

const SEMICOLON = Buffer.from('\n;')

class CopyOutput {
  readonly #format: CopyFormat
  readonly #client: ClientPort
  readonly #catalog: Catalog
  readonly #flow: ScatterFlow
  readonly #rowLimit: number
  #hasResponse = false
  #hasHeader = false
  #rowCount = 0

  constructor(
    format: CopyFormat,
    { client, catalog }: Pick<StatementContext, 'client' | 'catalog'>,
    flow: ScatterFlow,
    rowLimit: number,
  ) {
    this.#format = format
    this.#client = client
    this.#catalog = catalog
    this.#flow = flow
    this.#rowLimit = rowLimit
  }

  get rowCount(): number {
    return this.#rowCount
  }

  readonly readerFor: ReaderFactory = ({ node }: BackendConnection): AnswerReader => {
    const isCounted = this.#format.format === 'binary' || Number.isFinite(this.#rowLimit)
    return isCounted ? this.#rowReader(node.nodeId) : this.#runReader()
  }

  /** Whole runs of rows as they come; the first row of each shard may be the line of column names. */
  #runReader(): AnswerReader {
    const { hasHeader } = this.#format
    let isFirst = true
    return {
      ...this.#reader(() => {
        isFirst = true
      }),
      hasWholeRuns: true,
      run: (chunk, start, end) => {
        let from = start
        if (isFirst && hasHeader) {
          from += 1 + chunk.readInt32BE(start + 1)
          this.#headerLine(chunk, start, from)
        }
        isFirst = false
        return from < end && this.#pass(chunk, from, end)
      },
      complete: (tag) => {
        this.#rowCount += tagCount(tag)
      },
    }
  }

  #rowReader(nodeId: number): AnswerReader {
    const { types = [] } = this.#format
    const catalog = this.#catalog
    const oids = ValueOids.between(nodeId, coordinatorOf(catalog).nodeId, types, catalog)
    let isFirst = true
    return {
      ...this.#reader(() => {
        isFirst = true
      }),
      row: (chunk, start, end) => {
        if (this.#format.format === 'binary') this.#binaryRow(chunk, start, end, isFirst, oids)
        else if (!(isFirst && this.#format.hasHeader)) this.#row(chunk, start, end)
        else this.#headerLine(chunk, start, end)
        isFirst = false
      },
    }
  }

  #reader(onShard: () => void): AnswerReader {
    return {
      message: (type, chunk, start, end) => {
        if (type !== Backend.copyOutResponse) return
        onShard()
        if (!this.#hasResponse) this.#write(chunk, start, end)
        this.#hasResponse = true
      },
      notice: (chunk, start, end) => {
        const notice = mendMessage(chunk, start, end, { positions: 'drop' })
        this.#write(notice, 0, notice.length)
      },
    }
  }

  finish(): void {
    if (this.#format.format === 'binary') {
      const trailer = copyData(COPY_TRAILER)
      this.#write(trailer, 0, trailer.length)
    }
    this.#write(COPY_DONE, 0, COPY_DONE.length)
  }

  /** Every shard begins with the line of column names; the client gets the first. */
  #headerLine(chunk: Buffer, start: number, end: number): void {
    if (!this.#hasHeader) this.#write(chunk, start, end)
    this.#hasHeader = true
  }

  /** The file header is glued to a shard's first tuple; the trailer is a message of two bytes. */
  #binaryRow(
    chunk: Buffer,
    start: number,
    end: number,
    isFirst: boolean,
    oids: ValueOids | undefined,
  ): void {
    let from = start + HEADER_BYTES
    if (isFirst && !this.#hasHeader) {
      this.#hasHeader = true
      const header = copyData(COPY_HEADER)
      this.#write(header, 0, header.length)
    }
    if (isFirst) from += COPY_HEADER.length
    if (from >= end || chunk.readInt16BE(from) === -1) return
    oids?.mapRow(chunk, from, end)
    if (!isFirst) this.#row(chunk, start, end)
    else {
      const row = copyData(chunk.subarray(from, end))
      this.#row(row, 0, row.length)
    }
  }

  /** A server sends each row as one CopyData. */
  #row(chunk: Buffer, start: number, end: number): void {
    if (this.#rowCount >= this.#rowLimit) return
    this.#rowCount += 1
    this.#write(chunk, start, end)
  }

  #write(chunk: Buffer, start: number, end: number): void {
    if (end - start < COPIED_BYTES) this.#pass(chunk, start, end)
    else this.#pass(Buffer.from(chunk.subarray(start, end)), 0, end - start)
  }

  /** true: the chunk is still referenced. */
  #pass(chunk: Buffer, start: number, end: number): boolean {
    const isKept = this.#client.write(chunk, start, end) === 'kept'
    if (this.#client.isCongested) {
      this.#flow.pause()
      this.#client.whenDrained(this.#flow.resume)
    }
    return isKept
  }
}
