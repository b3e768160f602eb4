import type { BackendConnection } from '../backend/backend-connection.ts'
import type { RouterError } from '../base/errors.ts'
import type { DistributedTable, Shard } from '../catalog/catalog.ts'
import type { ShardText } from '../planner/plan.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import {
  writeBindValues,
  writeDescribe,
  writeExecute,
  writeSync,
} from '../wire/frontend-messages.ts'
import { Frontend } from '../wire/message-codes.ts'
import type { Mending } from './error-rewriting.ts'
import { keptStatement } from './kept-statement.ts'
import type { Parameters } from './ports.ts'
import { type AnswerReader, ServerAnswer } from './server-answer.ts'
import { textForShard } from './shard-text.ts'
import { isStaleStatement } from './stale-statement.ts'

/** What is the same for all shards. */
export type KeptRequest = {
  readonly worker: ShardText
  readonly table: DistributedTable
  readonly parameters: Parameters
  readonly resultFormats: readonly number[]
  readonly maxRows: number
  /** Ask for RowDescription even of what the connection has prepared already. */
  readonly describesAlways: boolean
}

const UNNAMED_PORTAL = { kind: 'portal', name: '' } as const

/** Bind behind the statement's name, and the Execute. Filled and used up in one go. */
const tail = new FrameWriter()

/** The answer for all of a connection's shards. What failed is not taken for prepared. */
class KeptAnswer extends ServerAnswer {
  /** What this request prepares. */
  readonly added: string[] = []
  readonly #connection: BackendConnection
  readonly #shards: readonly Shard[]
  readonly #keys: readonly string[]

  constructor(
    connection: BackendConnection,
    shards: readonly Shard[],
    keys: readonly string[],
    reader: AnswerReader,
    mending: Mending,
  ) {
    super(reader, mending)
    this.connection = connection
    this.#connection = connection
    this.#shards = shards
    this.#keys = keys
  }

  override ready(): void {
    if (this.error !== undefined) this.#drop(this.error)
    super.ready()
  }

  #drop(error: RouterError): void {
    const { prepared } = this.#connection
    const keys = isStaleStatement(error)
      ? this.#shards.map(({ index }) => this.#keys[index] ?? '')
      : this.added
    for (const key of keys) prepared.drop(key)
  }
}

/**
 * Runs a statement on shards of one node through what its connection has prepared for each: Bind and Execute for each shard,
 * one Sync, one write. What isn't prepared yet is, in the same go.
 */
export function sendKept(
  connection: BackendConnection,
  request: KeptRequest,
  shards: readonly Shard[],
  reader: AnswerReader,
  mending: Mending,
): ServerAnswer {
  const { out, prepared } = connection
  const { worker, table, parameters } = request
  const { types } = parameters
  const { keys } = keptStatement(worker, table, types, connection.settings.inForce)
  const executeLength = writeTail(request)
  const answer = new KeptAnswer(connection, shards, keys, reader, mending)
  const { added } = answer
  connection.open(answer)
  let describes = request.describesAlways
  for (const shard of shards) {
    const key = keys[shard.index] ?? ''
    let name = prepared.find(key)
    if (name === undefined) {
      name = prepared.add(out, key, textForShard(worker, shard), types).name
      describes ||= added.length === 0
      added.push(key)
    }
    const bindEnd = tail.length - executeLength
    const mark = out.begin(Frontend.bind)
    out.byte(0)
    out.cstring(name)
    out.bytes(tail.buffer, 0, bindEnd)
    out.end(mark)
    if (describes) writeDescribe(out, UNNAMED_PORTAL)
    describes = false
    out.bytes(tail.buffer, bindEnd, tail.length)
  }
  writeSync(out)
  connection.flush()
  return answer
}

/** The length of the Execute at its end. */
function writeTail({ parameters, resultFormats, maxRows }: KeptRequest): number {
  tail.reset()
  writeBindValues(tail, { formats: parameters.formats, values: parameters.values, resultFormats })
  const { length } = tail
  writeExecute(tail, { portal: '', maxRows })
  return tail.length - length
}
