import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import type { PositionMap } from '../../executor/relay/position-map.ts'
import { writeSpliced } from '../../executor/relay/splice-writer.ts'
import type { LexResult } from '../../sql/lexer.ts'
import type { FrameWriter } from '../../wire/frame-writer.ts'
import { Frontend } from '../../wire/message-codes.ts'
import type { SessionParts } from '../session-parts.ts'
import { expectQueryLead, queryLead } from './block-lead.ts'
import { tellsLess } from './literal-parameters.ts'
import type { PointRead } from './point-read.ts'
import type { StatementAim } from './statement-aim.ts'
import type { StatementConduct } from './statement-conduct.ts'

/** One Query on its way: as it is, with BEGIN before it, or as a point read. */
export class QueryRequest {
  readonly #parts: SessionParts
  readonly #aim: StatementAim
  readonly #literals: LexResult
  /** Of the statement that the server keeps for a point read; '': it is none. */
  #key = ''
  /** Of its shape. */
  #pointRead: PointRead | undefined
  readonly statement = undefined

  constructor(parts: SessionParts, aim: StatementAim, literals: LexResult) {
    this.#parts = parts
    this.#aim = aim
    this.#literals = literals
  }

  /** The relay has begun. `chunk` holds the message in [start, end). */
  write(chunk: Buffer, start: number, end: number, { pointRead }: StatementConduct): void {
    const { relay, transaction } = this.#parts
    const { connection, sink } = relay
    this.#key = ''
    this.#pointRead = pointRead
    if (connection === undefined) return
    sink.isPlain = true
    if (pointRead !== undefined && !transaction.isInBlock) {
      const key = pointRead.write(connection, sink, chunk, this.#literals, this.#aim)
      if (key !== undefined) {
        sink.positions.unchanged()
        this.#key = key
        return
      }
    }
    this.#writeQuery(connection, chunk, start + 5, end - 1)
  }

  /** The Query itself would be told more than this. */
  isToRetry(error: RouterError): boolean {
    if (this.#key === '') return false
    const { sink } = this.#parts.relay
    const connection = sink.connection as BackendConnection | undefined
    connection?.prepared.drop(this.#key)
    return tellsLess(error, sink.hasAnswered)
  }

  get isPointRead(): boolean {
    return this.#key !== ''
  }

  succeeded(): void {
    this.#pointRead?.answered(this.#parts.relay.sink.isOneRow)
  }

  #writeQuery(connection: BackendConnection, chunk: Buffer, start: number, end: number): void {
    const { sink } = this.#parts.relay
    const { out } = connection
    const mark = out.begin(Frontend.query)
    const begin = this.#parts.transaction.takeLead(connection)
    const lead = begin === '' ? undefined : queryLead(begin)
    if (lead !== undefined) out.bytes(lead)
    writeText(out, chunk, start, end, this.#literals, this.#aim, sink.positions)
    if (lead !== undefined) expectQueryLead(sink, lead)
    out.byte(0)
    out.end(mark)
  }
}

/** chunk[start, end) as the server at which it is aimed is to have it. */
export function writeText(
  out: FrameWriter,
  chunk: Buffer,
  start: number,
  end: number,
  literals: LexResult,
  { shardIndex, splices }: StatementAim,
  positions: PositionMap,
): void {
  if (shardIndex === undefined) {
    positions.unchanged()
    out.bytes(chunk, start, end)
  } else writeSpliced(out, chunk, start, end, literals, splices, shardIndex, positions)
}
