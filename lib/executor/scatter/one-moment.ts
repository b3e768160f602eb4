import type { BackendConnection } from '../../backend/backend-connection.ts'
import { type BackendLost, RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import {
  writeBind,
  writeDescribe,
  writeExecute,
  writeFlush,
  writeParse,
  writeSync,
} from '../../wire/frontend-messages.ts'
import { Backend } from '../../wire/message-codes.ts'
import { readRowDescription } from '../../wire/row-description.ts'
import { parametersFor } from '../parameter-types.ts'
import type { OneMoment, Parameters, StatementContext } from '../ports.ts'
import type { Mending } from '../relay/error-rewriting.ts'
import { isRowType, isUserType, typeOnCoordinator } from '../relay/row-description-mapping.ts'
import { type AnswerReader, promiseWithResolver, ServerAnswer } from '../server-answer.ts'
import { allDone, connect, type NodePart } from './node-parts.ts'
import type { ReaderFactory, ScatterRequest } from './scatter.ts'
import type { ScatterFlow } from './scatter-flow.ts'
import { unitedText } from './united-statement.ts'

const MENDING: Mending = { positions: 'drop' }
const UNNAMED = { portal: '', statement: '' }

type Read = NodePart & {
  readonly reader: AnswerReader
  readonly text: Buffer
  readonly parameters: Parameters
}

/**
 * As scatter(), with one snapshot a node, all of one moment, in a READ COMMITTED transaction: the shards of a node are one statement there,
 * and its snapshot is taken by Bind. Nothing is held up while rows come.
 *
 *     Parse, Describe, Sync     takes the locks, which others may hold for long
 *     Bind, Flush               with decisions held up, where there are several nodes
 *     Execute, Sync             once all are bound
 */
export async function scatterAtOneMoment(
  request: ScatterRequest,
  moment: OneMoment,
  context: StatementContext,
  flow: ScatterFlow,
  readerFor: ReaderFactory,
  signal: AbortSignal,
): Promise<void> {
  if (request.access === 'write') throw notInOneStep()
  const parts = await connect(request.shards, 'read', context)
  signal.throwIfAborted()
  const reads = parts.map(({ connection, shards }): Read => {
    const [only] = shards.length === 1 ? shards : []
    return {
      connection,
      shards,
      reader: readerFor(connection, shards),
      text: only === undefined ? unitedText(request.textFor, shards) : request.textFor(only),
      parameters: parametersFor(connection, request, context),
    }
  })
  for (const { connection } of reads) flow.add(connection)
  await parse(reads, request, context.catalog, flow, signal)
  const bound: Bound[] = []
  const bindAll = () => bind(reads, bound, request, signal)
  try {
    if (reads.length < 2) await bindAll()
    else await moment(connectionsOf(reads), bindAll)
  } catch (error) {
    await finish(bound, undefined, flow, signal).catch(() => undefined)
    throw error
  }
  const maxRows = signal.aborted ? undefined : request.maxRows
  await finish(bound, maxRows, flow, signal)
  signal.throwIfAborted()
}

function connectionsOf(parts: readonly NodePart[]): readonly BackendConnection[] {
  return parts.map(({ connection }) => connection)
}

/** Ends what was begun on each connection; with `maxRows` the portals are executed first. */
async function finish(
  bound: readonly Bound[],
  maxRows: number | undefined,
  flow: ScatterFlow,
  signal: AbortSignal,
): Promise<void> {
  for (const { answer, connection } of bound) {
    if (answer.isDone) continue
    if (maxRows !== undefined) writeExecute(connection.out, { portal: '', maxRows })
    writeSync(connection.out)
    connection.flush()
  }
  const answers = bound.map(({ answer }) => answer)
  await allDone(bound, answers, flow, signal)
}

/** What only reads in one step can do was asked for. */
export function notInOneStep(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'a consistent read of several shards in several steps needs a transaction of ISOLATION LEVEL REPEATABLE READ whose first statement was consistent too',
    {
      hint: 'Send the SELECT by itself, BEGIN ISOLATION LEVEL REPEATABLE READ with pgloom.consistent_reads = on, or turn it off.',
    },
  )
}

/** The columns are described as of one shard's: those of a union are of no table. */
async function parse(
  reads: readonly Read[],
  { textFor, resultFormats }: ScatterRequest,
  catalog: Catalog,
  flow: ScatterFlow,
  signal: AbortSignal,
): Promise<void> {
  let isDescribed = false
  let isForeign = false
  const answers = reads.map(({ connection, shards, reader, text, parameters }) => {
    const { out } = connection
    const { types } = parameters
    const answer = new ServerAnswer(
      {
        ...reader,
        message: (type, chunk, start, end) => {
          isDescribed ||= type === Backend.rowDescription
          if (type === Backend.rowDescription && resultFormats.includes(1)) {
            isForeign ||= holdsOids(chunk.subarray(start, end), connection.node.nodeId, catalog)
          }
          reader.message?.(type, chunk, start, end)
        },
      },
      MENDING,
    )
    answer.connection = connection
    connection.open(answer)
    const [first] = shards
    const plain = first === undefined ? text : textFor(first)
    writeParse(out, { name: '', text: plain, parameterTypes: types })
    writeDescribe(out, { kind: 'statement', name: '' })
    if (shards.length > 1) writeParse(out, { name: '', text, parameterTypes: types })
    writeSync(out)
    connection.flush()
    return answer
  })
  try {
    await allDone(reads, answers, flow, signal)
  } catch (error) {
    const isOfUnion = isDescribed && !signal.aborted && isOfText(error)
    throw isOfUnion ? notUnited(error) : error
  }
  // the rows of a portal are read without a look at what their values hold
  if (isForeign) throw notInOneStep()
}

/** Binary values of some column may hold OIDs of the node's own. */
function holdsOids(frame: Buffer, nodeId: number, catalog: Catalog): boolean {
  const { userTypes } = catalog
  if (userTypes === undefined) return false
  return readRowDescription(frame).some(({ typeOid }) => {
    const own = isUserType(typeOid) ? typeOnCoordinator(catalog, nodeId, typeOid) : typeOid
    return own === undefined || userTypes.carriers.has(own) || isRowType(own)
  })
}

/** Until each node has taken its snapshot. What has been begun is put into `into`. */
async function bind(
  reads: readonly Read[],
  into: Bound[],
  { resultFormats }: ScatterRequest,
  signal: AbortSignal,
): Promise<void> {
  for (const read of reads) {
    const { connection, text, parameters, reader } = read
    const { types, formats, values } = parameters
    const answer = new BoundAnswer(reader, MENDING)
    answer.connection = connection
    connection.open(answer)
    into.push({ ...read, answer })
    const { out } = connection
    writeParse(out, { name: '', text, parameterTypes: types })
    writeBind(out, { ...UNNAMED, formats, values, resultFormats })
    writeFlush(out)
    connection.flush()
  }
  const onAbort = (): void => {
    for (const { answer, connection } of into) {
      if (!answer.isBound) void connection.cancel(answer)
    }
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.all(into.map(({ answer }) => answer.bound))
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  signal.throwIfAborted()
}

type Bound = Read & { readonly answer: BoundAnswer }

/** Tells when the portal is there; the Sync is sent later. */
class BoundAnswer extends ServerAnswer {
  readonly bound: Promise<void>
  isBound = false
  readonly #settle: () => void

  constructor(reader: AnswerReader, mending: Mending) {
    super(reader, mending)
    const { promise, resolve } = promiseWithResolver<void>()
    this.#settle = () => resolve()
    this.bound = promise.then(() => {
      if (this.error !== undefined) throw this.error
    })
    this.bound.catch(() => undefined)
  }

  override message(type: number, chunk: Buffer, start: number, end: number): void {
    super.message(type, chunk, start, end)
    if (type === Backend.bindComplete) this.isBound = true
    if (type === Backend.bindComplete || this.error !== undefined) this.#settle()
  }

  override lost(error: BackendLost): void {
    super.lost(error)
    this.#settle()
  }
}

/** Syntax error or access rule violation, feature not supported. */
function isOfText(error: unknown): error is RouterError {
  return error instanceof RouterError && ['42', '0A'].includes(error.sqlState.slice(0, 2))
}

function notUnited(cause: RouterError): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `rows of these types cannot be read consistently in a READ COMMITTED transaction: ${cause.message}`,
    { hint: 'Use ISOLATION LEVEL REPEATABLE READ, or cast them to other types.', cause },
  )
}
