import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import { binaryKeyHasher, textKeyHasher } from '../../../catalog/key-bytes.ts'
import type { CopyPlan, CopyRows } from '../../../planner/plan.ts'
import { FrameWriter } from '../../../wire/frame-writer.ts'
import type { CommandTag, Execution, StatementContext } from '../../ports.ts'
import { PositionMap } from '../../relay/position-map.ts'
import { holdsForeignOids } from '../../relay/row-description-mapping.ts'
import { writeReplaced } from '../../relay/splice-writer.ts'
import { COPY_TRAILER } from '../../write/hashed-rows.ts'
import { retarget } from '../../write/scratch-insert.ts'
import { relayedStart } from '../copy-start.ts'
import { BinaryRows } from './binary-rows.ts'
import { encodingOf, maySplit } from './copy-facts.ts'
import { CopyFault } from './copy-fault.ts'
import { type CopyStatements, CopyTargets } from './copy-targets.ts'
import { CsvRows } from './csv-rows.ts'
import { RowSplitter } from './row-splitter.ts'
import { TextRows } from './text-rows.ts'

/**
 * COPY FROM STDIN into a distributed table: the client's rows are told from one another here, and each goes, as it is, into a COPY
 * of its shard with the client's own options. Only the bytes of the key are understood. undefined: it can't be done so, and
 * nothing has been done.
 */
export async function splitCopy(
  plan: CopyPlan,
  table: DistributedTable,
  rows: CopyRows,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag | undefined> {
  if (rows.format === 'binary' && holdsOids(plan, table, context)) return undefined
  const [first] = table.shards
  if (first === undefined) return undefined
  // it becomes a writer with its first row
  const connection = await context.connection(first.nodeId, 'read')
  const { parameters } = connection
  const encoding = encodingOf(rows.encoding ?? parameters.get('client_encoding') ?? '')
  if (encoding === undefined) return undefined
  if (!(await maySplit(connection, table, plan.columns, context))) return undefined
  const serverMajor = Number.parseInt(parameters.get('server_version') ?? '', 10)
  const targets = new CopyTargets(copyStatements(plan, table, execution, context))
  const splitter = makeSplitter(plan, table, rows, { encoding, serverMajor }, targets)
  return await new SplitCopy(table.name, targets, splitter, context).run(
    connection,
    rows.format === 'binary',
  )
}

/** The client's values name types by OIDs of the coordinator's. */
function holdsOids(
  { columns }: CopyPlan,
  table: DistributedTable,
  { catalog }: StatementContext,
): boolean {
  return table.columns.some(
    ({ name, typeOid }) => columns.includes(name) && holdsForeignOids(catalog, typeOid),
  )
}

/** The client's own statement, for other tables. */
function copyStatements(
  { target, qualifiers }: CopyPlan,
  table: DistributedTable,
  execution: Execution,
  context: StatementContext,
): CopyStatements {
  return {
    table,
    context,
    showsLines: true,
    intoShard: (name) => {
      const { text, positionBase } = execution
      const positions = new PositionMap()
      const out = new FrameWriter(text.length + 128)
      const replaced = [{ ...target, text: name }, ...qualifiers]
      writeReplaced(out, text, 0, text.length, replaced, positions, positionBase)
      return { text: out.take(), positions }
    },
    intoScratch: (scratch) => {
      const positions = new PositionMap()
      return { text: retarget(execution, target, scratch, '', positions, qualifiers), positions }
    },
  }
}

function makeSplitter(
  plan: CopyPlan,
  table: DistributedTable,
  rows: CopyRows,
  server: { readonly encoding: 'server' | 'ascii-safe'; readonly serverMajor: number },
  targets: CopyTargets,
): RowSplitter {
  const { distributionColumn: column } = table
  const common = { table, sink: targets }
  return rows.format === 'binary'
    ? new RowSplitter({
        ...common,
        reader: new BinaryRows(rows),
        hashKey: binaryKeyHasher(column),
        isBinary: true,
        hasHead: true,
      })
    : new RowSplitter({
        ...common,
        reader:
          rows.format === 'csv'
            ? new CsvRows(rows, server.serverMajor)
            : new TextRows(rows, server.serverMajor),
        hashKey: textKeyHasher(column, server.encoding === 'server'),
        isBinary: false,
        hasHead: plan.hasHeader,
      })
}

class SplitCopy {
  readonly #tableName: string
  readonly #targets: CopyTargets
  readonly #splitter: RowSplitter
  readonly #context: StatementContext

  constructor(
    tableName: string,
    targets: CopyTargets,
    splitter: RowSplitter,
    context: StatementContext,
  ) {
    this.#tableName = tableName
    this.#targets = targets
    this.#splitter = splitter
    this.#context = context
  }

  /** Never leaves a connection in the midst of a COPY. */
  async run(connection: BackendConnection, isBinary: boolean): Promise<CommandTag> {
    const targets = this.#targets
    targets.origin = this.#splitter
    if (isBinary) targets.trailer = COPY_TRAILER
    try {
      const mending = { positions: undefined }
      const { reader, started } = relayedStart(connection, this.#context, mending)
      const stream = targets.begin(connection, reader)
      await Promise.race([started, stream.ended])
      const fault = await this.#take()
      const count = await targets.finish()
      if (fault !== undefined) throw this.#faultError(fault)
      if (this.#splitter.isBroken) {
        throw new RouterError(SqlState.badCopyFileFormat, 'malformed data of COPY')
      }
      return `COPY ${count}`
    } catch (error) {
      const shown = targets.error ?? error
      await targets.abort(shown instanceof RouterError ? shown.message : 'canceled')
      throw shown
    }
  }

  /** All that the client sends, or as much as can be understood. */
  async #take(): Promise<CopyFault | undefined> {
    const { client, signal } = this.#context
    const splitter = this.#splitter
    try {
      for await (const body of client.copyData()) {
        signal.throwIfAborted()
        splitter.take(body)
        if (splitter.isBroken) return undefined
        await this.#targets.makeRoom()
      }
      signal.throwIfAborted()
      splitter.finish()
      return undefined
    } catch (error) {
      if (error instanceof CopyFault) return error
      throw this.#withLine(error)
    }
  }

  /** Postgres says of a client that gives up how far it had come. */
  #withLine(error: unknown): unknown {
    const isClients = error instanceof RouterError && error.sqlState === SqlState.queryCanceled
    if (!(isClients && error.message.startsWith('COPY from stdin failed'))) return error
    const context = this.#where(this.#splitter.lastLine)
    return new RouterError(error.sqlState, error.message, { context, cause: error })
  }

  #faultError(fault: CopyFault): RouterError {
    const { message, hint } = fault
    return new RouterError(SqlState.badCopyFileFormat, message, {
      ...(hint === undefined ? {} : { hint }),
      context: this.#where(this.#splitter.currentLine),
      cause: fault,
    })
  }

  #where(line: number): string {
    return `COPY ${this.#tableName}, line ${line}`
  }
}
