import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { StatementContext } from '../../ports.ts'
import { type Mending, withoutCopy } from '../../relay/error-rewriting.ts'
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
  readonly showsLines: boolean
  readonly access: 'read' | 'write'
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

type Piece = { readonly target: CopyTarget; readonly batch: RowBatch }

/** What is sent between two COPYs. One of both is called. */
export type Asking = {
  /** No COPY is open. The answer need not be waited for. */
  send(connection: BackendConnection): void
  /** The node's COPYs have failed, or are given up. */
  skip(): void
}

type OpenCopy = {
  readonly target: CopyTarget
  readonly stream: CopyInStream
  readonly lines: ShardLines
  hasHead: boolean
  byteLength: number
  isBroken: boolean
}

/** In the queue's first place, so that what was sent is not skipped as well. */
const SENT: Asking = { send: () => undefined, skip: () => undefined }

/**
 * The COPYs of one node, one after the other on the transaction's one connection to it: all rows of a batch go to its table;
 * for another table the COPY at hand is ended and the next one begun, without waiting for the answer.
 */
export class NodeCopy {
  readonly nodeId: number
  readonly #world: CopyWorld
  readonly #queue: (Piece | Asking)[] = []
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
    this.#queue.push({ target, batch })
    this.#running ??= this.#run()
  }

  ask(asking: Asking): void {
    if (this.#isAborted) {
      asking.skip()
      return
    }
    this.#queue.push(asking)
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
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        if (this.#isAborted) break
        if ('batch' in next) await this.#write(next.target, next.batch)
        else await this.#send(next)
        this.#queue.shift()
      }
    } catch (error) {
      this.#isAborted = true
      this.#world.fail(error)
    } finally {
      this.#running = undefined
      if (this.#isAborted) this.#skip()
    }
  }

  async #send(asking: Asking): Promise<void> {
    const connection = await this.#world.context.connection(this.nodeId, 'read')
    if (this.#isAborted) return
    this.#end()
    this.#queue[0] = SENT
    asking.send(connection)
  }

  #skip(): void {
    for (const waiting of this.#queue.splice(0)) if ('skip' in waiting) waiting.skip()
  }

  async #write(target: CopyTarget, batch: RowBatch): Promise<void> {
    const { context, pool, access } = this.#world
    const connection = await context.connection(this.nodeId, access)
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
      pool.give(block, connection.state === 'ready' && connection.hasSentAll)
      this.#world.onProgress()
      if (this.#isAborted) return
    }
    batch.lineMap.uncount()
    this.#world.onProgress()
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
    const { context, head, tableName, showsLines } = this.#world
    const { text, positions } = target.text()
    const alias = target.alias()
    const lines = new ShardLines(alias?.shownName ?? tableName, head)
    const mending: Mending = {
      positions,
      aliases: alias === undefined ? [] : [alias],
      where: (where) => (showsLines ? lines.mend(where) : withoutCopy(where)),
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
