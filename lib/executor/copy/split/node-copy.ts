import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { StatementContext } from '../../ports.ts'
import type { Mending } from '../../relay/error-rewriting.ts'
import { relayedRows } from '../../scatter/relayed-rows.ts'
import type { AnswerReader } from '../../server-answer.ts'
import { copyData } from '../../write/distribute-rows.ts'
import { CopyInStream } from '../copy-in-stream.ts'
import type { BlockPool } from './block-pool.ts'
import type { CopyTarget } from './copy-target.ts'
import type { RowBatch } from './row-batch.ts'
import { ShardLines } from './shard-lines.ts'

/** A COPY that is as long ends and another one begins: until a COPY has ended the lines of its rows are remembered. */
const MAX_COPY_BYTES = 8 * 1024 * 1024

/** What all parts of one client's COPY share. */
export type CopyWorld = {
  readonly context: StatementContext
  readonly tableName: string
  readonly pool: BlockPool
  /** What each COPY begins with: the line of column names, or the binary header. */
  readonly head: () => { readonly bytes: Buffer | undefined; readonly lines: number }
  /** What each COPY ends with. */
  readonly trailer: () => Buffer | undefined
  /** Something of it went wrong: only the first is told to the client. */
  readonly fail: (error: unknown) => void
  /** Blocks were sent. */
  readonly onProgress: () => void
}

type OpenCopy = {
  readonly target: CopyTarget
  readonly stream: CopyInStream
  readonly lines: ShardLines
  hasHead: boolean
  byteLength: number
  isBroken: boolean
}

/**
 * The COPYs of one node, one after the other on the transaction's one connection to it: all rows of a batch go to its table;
 * for another table the COPY at hand is ended and the next one begun, without waiting for the answer.
 */
export class NodeCopy {
  readonly nodeId: number
  readonly #world: CopyWorld
  readonly #queue: RowBatch[] = []
  readonly #targets: CopyTarget[] = []
  readonly #ended: Promise<void>[] = []
  readonly #prepared = new Set<CopyTarget>()
  #current: OpenCopy | undefined
  #running: Promise<void> | undefined
  #isAborted = false
  #rowCount = 0

  constructor(nodeId: number, world: CopyWorld) {
    this.nodeId = nodeId
    this.#world = world
  }

  /** Begins the first COPY of all, of whose answer the client hears by `reader`. */
  begin(target: CopyTarget, connection: BackendConnection, reader: AnswerReader): CopyInStream {
    const copy = this.#open(target, connection, reader)
    this.#current = copy
    return copy.stream
  }

  put(target: CopyTarget, batch: RowBatch): void {
    if (this.#isAborted) return
    this.#queue.push(batch)
    this.#targets.push(target)
    this.#running ??= this.#run()
  }

  /** Resolves with the rows that were taken when all is sent and answered, or something has failed. */
  async finish(): Promise<number> {
    await this.#running
    this.#end()
    await Promise.all(this.#ended)
    return this.#rowCount
  }

  /** Never throws; afterwards the connection is ready for ROLLBACK. */
  async abort(reason: string): Promise<void> {
    this.#isAborted = true
    const current = this.#current
    this.#current = undefined
    const aborted = current?.stream.abort(reason)
    await this.#running
    await aborted
    await Promise.all(this.#ended)
  }

  async #run(): Promise<void> {
    try {
      for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
        if (this.#isAborted) break
        const target = this.#targets[0]
        if (target !== undefined) await this.#write(target, batch)
        this.#queue.shift()
        this.#targets.shift()
      }
    } catch (error) {
      this.#isAborted = true
      this.#world.fail(error)
    } finally {
      this.#running = undefined
    }
  }

  async #write(target: CopyTarget, batch: RowBatch): Promise<void> {
    const { context, pool } = this.#world
    const connection = await context.connection(this.nodeId, 'write')
    if (this.#isAborted) return
    const copy = await this.#copyInto(target, connection)
    if (copy === undefined) return
    this.#writeHead(copy)
    copy.lines.add(batch)
    copy.byteLength += batch.byteLength
    copy.isBroken ||= batch.isBroken
    for (const { block, length } of batch.filled) {
      const whole = length === block.length ? block : block.subarray(0, length)
      await copy.stream.write(whole)
      pool.give(block, connection.state === 'ready' && !connection.isCongested)
      this.#world.onProgress()
      if (this.#isAborted) return
    }
  }

  async #copyInto(target: CopyTarget, connection: BackendConnection) {
    const current = this.#current
    if (current?.target === target && current.byteLength < MAX_COPY_BYTES) return current
    this.#end()
    if (target.prepare !== undefined && !this.#prepared.has(target)) {
      this.#prepared.add(target)
      await target.prepare(connection)
      if (this.#isAborted) return undefined
    }
    const { notice } = relayedRows(connection, this.#world.context, false, { positions: 'drop' })
    const copy = this.#open(target, connection, { ...(notice === undefined ? {} : { notice }) })
    this.#current = copy
    return copy
  }

  #open(target: CopyTarget, connection: BackendConnection, reader: AnswerReader): OpenCopy {
    const { context, head, tableName } = this.#world
    const { text, positions } = target.text()
    const alias = target.alias()
    const lines = new ShardLines(alias?.shownName ?? tableName, head)
    const mending: Mending = {
      positions,
      aliases: alias === undefined ? [] : [alias],
      where: (where) => lines.mend(where),
    }
    const stream = new CopyInStream(connection, text, { signal: context.signal, reader, mending })
    stream.ended.catch(this.#world.fail)
    return { target, stream, lines, hasHead: false, byteLength: 0, isBroken: false }
  }

  #writeHead(copy: OpenCopy): void {
    const { bytes } = this.#world.head()
    if (copy.hasHead) return
    copy.hasHead = true
    if (bytes !== undefined) copy.stream.append(copyData(bytes))
  }

  /** What it writes is written at once: the next command of the connection comes after it. */
  #end(): void {
    const copy = this.#current
    if (copy === undefined) return
    this.#current = undefined
    this.#writeHead(copy)
    const trailer = this.#world.trailer()
    const last = trailer === undefined || copy.isBroken ? undefined : copyData(trailer)
    const ended = copy.stream.finish(last).then(
      (count) => {
        this.#rowCount += count
        copy.target.taken?.(count)
        copy.lines.forget()
      },
      (error: unknown) => this.#world.fail(error),
    )
    this.#ended.push(ended)
  }
}
