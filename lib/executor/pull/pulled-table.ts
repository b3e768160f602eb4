import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Column } from '../../catalog/catalog.ts'
import type { PulledRows } from '../../planner/plan.ts'
import { Frontend } from '../../wire/message-codes.ts'
import { CopyInStream } from '../copy/copy-in-stream.ts'
import { query } from '../node-client.ts'
import type { StatementContext } from '../ports.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'
import type { ScatterFlow } from '../scatter/scatter-flow.ts'
import type { AnswerReader } from '../server-answer.ts'
import { copyData } from '../write/distribute-rows.ts'
import { COPY_HEADER, COPY_TRAILER } from '../write/hashed-rows.ts'
import type { AskedRows } from './reduced-pulls.ts'

const BATCH_BYTES = 65_536

/** What all pulled rows of one statement may take together; counts down. */
export type ByteAllowance = { left: number; readonly limitKilobytes: number }

/** A temporary table of a distributed table's shape, or of a worker query's; gone with the transaction. */
export type PulledTable = {
  readonly name: string
  readonly oid: number
  /** Of the rows that came into it, in the wire's form. */
  byteLength: number
  /** What its rows were asked with, where that isn't what the plan says. */
  asked?: AskedRows | undefined
  /** What stands in a part's place over these rows; undefined: they are a table's. */
  readonly text?: string
}

/** A name that no other table has. */
export function pulledName(): string {
  return `pg_temp.pgloom_pulled_${randomBytes(6).toString('hex')}`
}

export async function createPulledTable(
  connection: BackendConnection,
  { table }: PulledRows,
): Promise<PulledTable> {
  const name = pulledName()
  const definitions = table.columns.map(columnDefinition)
  await query(
    connection,
    `CREATE TEMPORARY TABLE ${name} (${definitions.join(', ')}) ON COMMIT DROP`,
  )
  const { rows } = await query(connection, `SELECT ${quoteLiteral(name)}::regclass::oid`)
  return { name, oid: Number(rows[0]?.[0]), byteLength: 0 }
}

/**
 * GROUP BY the key lets other columns be selected. Once the rows are there: to sort them is far cheaper than to put each into an
 * index in the order in which shards send them.
 */
export async function addPrimaryKey(
  connection: BackendConnection,
  { name }: Pick<PulledTable, 'name'>,
  { table }: Pick<PulledRows, 'table'>,
): Promise<void> {
  const key = table.primaryKey.map(quoteIdentifier).join(', ')
  await query(connection, `ALTER TABLE ${name} ADD PRIMARY KEY (${key})`)
}

export function columnDefinition({ name, typeName, collation }: Column): string {
  const collate = collation === undefined ? '' : ` COLLATE ${collation}`
  return `${quoteIdentifier(name)} ${typeName}${collate}`
}

/**
 * Takes rows of all shards in binary and passes them on to one COPY (a binary DataRow is a COPY tuple but for the type
 * byte), holding the shards back while it is congested. Memory: a batch and what the sockets hold.
 */
export class PulledTableFilling {
  readonly #flow: ScatterFlow
  readonly #allowance: ByteAllowance
  readonly #stream: CopyInStream
  #batch = Buffer.allocUnsafe(BATCH_BYTES)
  #length: number
  #rowCount = 0

  constructor(
    connection: BackendConnection,
    { name }: Pick<PulledTable, 'name'>,
    columns: readonly string[],
    flow: ScatterFlow,
    allowance: ByteAllowance,
    { signal }: Pick<StatementContext, 'signal'>,
  ) {
    this.#flow = flow
    this.#allowance = allowance
    const list = columns.map(quoteIdentifier).join(', ')
    const sql = `COPY ${name} (${list}) FROM STDIN (FORMAT binary)`
    this.#stream = new CopyInStream(connection, sql, { signal })
    this.#length = copyData(COPY_HEADER).copy(this.#batch)
  }

  get rowCount(): number {
    return this.#rowCount
  }

  readonly readerFor = (): AnswerReader => ({
    row: (chunk, start, end) => this.#row(chunk, start, end),
  })

  async finish(): Promise<void> {
    this.#flush()
    await this.#stream.finish(copyData(COPY_TRAILER))
  }

  /** Resolves when the connection can be used again. */
  abort(): Promise<void> {
    return this.#stream.abort('canceled')
  }

  #row(chunk: Buffer, start: number, end: number): void {
    const size = end - start
    takeBytes(this.#allowance, size)
    if (this.#length + size > this.#batch.length) this.#flush()
    if (size > this.#batch.length) this.#batch = Buffer.allocUnsafe(size)
    chunk.copy(this.#batch, this.#length, start, end)
    this.#batch[this.#length] = Frontend.copyData
    this.#length += size
    this.#rowCount++
  }

  #flush(): void {
    if (this.#length === 0) return
    const batch = this.#batch.subarray(0, this.#length)
    this.#batch = Buffer.allocUnsafe(BATCH_BYTES)
    this.#length = 0
    const drained = this.#stream.write(batch)
    if (drained === undefined) return
    this.#flow.pause()
    drained.then(this.#flow.resume, this.#flow.resume)
  }
}

export function takeBytes(allowance: ByteAllowance, size: number): void {
  allowance.left -= size
  if (allowance.left < 0) throw tooLarge(allowance.limitKilobytes)
}

function tooLarge(kilobytes: number): RouterError {
  return new RouterError(
    SqlState.programLimitExceeded,
    `the intermediate result size exceeds citus.max_intermediate_result_size (currently ${kilobytes} kB)`,
    {
      detail:
        'The statement needs rows of distributed tables together in one place, on the coordinator.',
      hint: 'Filter the distributed tables more, set citus.max_intermediate_result_size to a higher value, or to -1 to disable the limit.',
    },
  )
}
