import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import type { DistributedTable, Shard } from '../../catalog/catalog.ts'
import type { ShardText } from '../../planner/plan.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import {
  writeBindValues,
  writeDescribe,
  writeExecute,
  writeSync,
} from '../../wire/frontend-messages.ts'
import { Frontend } from '../../wire/message-codes.ts'
import type { Keeping, Parameters } from '../ports.ts'
import type { Mending } from '../relay/error-rewriting.ts'
import { type AnswerReader, ServerAnswer } from '../server-answer.ts'
import { textForShard } from '../shard-text.ts'
import { isStaleStatement } from '../stale-statement.ts'
import { keptStatement } from './kept-statement.ts'
import { unitedStatement } from './united-statement.ts'

/** What is the same for all shards. */
export type KeptRequest = {
  readonly worker: ShardText
  readonly table: DistributedTable
  readonly parameters: Parameters
  readonly keeping: Keeping
  readonly resultFormats: readonly number[]
  readonly maxRows: number
  /** Ask for RowDescription even of what the connection has prepared already. */
  readonly describesAlways: boolean
  /** One statement for all shards of a node; only what noteUnited() will be told of. */
  readonly isUnited?: boolean
}

/** A statement that the connection is to have prepared. */
type Unit = { readonly key: string; readonly text: () => Buffer }

const UNNAMED_PORTAL = { kind: 'portal', name: '' } as const

/** Bind behind the statement's name, and the Execute. Filled and used up in one go. */
const tail = new FrameWriter()

/** The answer for all of a connection's shards. What failed is not taken for prepared. */
class KeptAnswer extends ServerAnswer {
  /** What this request prepares. */
  readonly added: string[] = []
  readonly #connection: BackendConnection
  readonly #units: readonly Unit[]

  constructor(
    connection: BackendConnection,
    units: readonly Unit[],
    reader: AnswerReader,
    mending: Mending,
  ) {
    super(reader, mending)
    this.connection = connection
    this.#connection = connection
    this.#units = units
  }

  override ready(): void {
    if (this.error !== undefined) this.#drop(this.error)
    super.ready()
  }

  #drop(error: RouterError): void {
    const { prepared } = this.#connection
    const keys = isStaleStatement(error) ? this.#units.map(({ key }) => key) : this.added
    for (const key of keys) prepared.drop(key)
  }
}

/**
 * Runs a statement on shards of one node through what its connection has prepared: for each shard, or for all together. Bind
 * and Execute for each, one Sync, one write. What isn't prepared yet is, in the same go.
 */
export function sendKept(
  connection: BackendConnection,
  request: KeptRequest,
  shards: readonly Shard[],
  reader: AnswerReader,
  mending: Mending,
): ServerAnswer {
  const { out, prepared } = connection
  const { types } = request.parameters
  const units = unitsOf(connection, request, shards)
  const executeLength = writeTail(request)
  const answer = new KeptAnswer(connection, units, reader, mending)
  const { added } = answer
  connection.open(answer)
  let describes = request.describesAlways
  for (const { key, text } of units) {
    let name = prepared.find(key)
    if (name === undefined) {
      name = prepared.add(out, key, text(), types).name
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

function unitsOf(
  { settings }: BackendConnection,
  { worker, table, parameters, keeping, isUnited }: KeptRequest,
  shards: readonly Shard[],
): readonly Unit[] {
  const statement = keptStatement(worker, table, parameters.types, settings.inForce, keeping)
  if (isUnited === true && shards.length > 1) {
    const { key, text } = unitedStatement(statement, worker, shards)
    return [{ key, text: () => text }]
  }
  return shards.map((shard) => ({
    key: statement.keys[shard.index] ?? '',
    text: () => textForShard(worker, shard),
  }))
}

/** The length of the Execute at its end. */
function writeTail({ parameters, resultFormats, maxRows }: KeptRequest): number {
  tail.reset()
  writeBindValues(tail, { formats: parameters.formats, values: parameters.values, resultFormats })
  const { length } = tail
  writeExecute(tail, { portal: '', maxRows })
  return tail.length - length
}
