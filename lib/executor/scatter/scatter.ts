import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import type { Shard } from '../../catalog/catalog.ts'
import { shardsByNode } from '../../catalog/node-shards.ts'
import { parametersFor } from '../parameter-types.ts'
import type { Parameters, StatementContext } from '../ports.ts'
import type { Mending } from '../relay/error-rewriting.ts'
import { mappedReader } from '../relay/mapped-reader.ts'
import type { AnswerReader, ServerAnswer } from '../server-answer.ts'
import { blameForm } from '../stale-statement.ts'
import { type Statement, sendStatements } from '../statement-request.ts'
import { type KeptRequest, sendKept } from './kept-request.ts'
import { connect, runOnNodes } from './node-parts.ts'
import { scatterAtOneMoment } from './one-moment.ts'
import { ParallelScatter } from './parallel-scatter.ts'
import type { ScatterFlow } from './scatter-flow.ts'
import { isQuickScatter, scatterBegan, scatterEnded } from './scatter-times.ts'
import { mayUnite, noteUnited } from './united-statement.ts'

export type ScatterRequest = {
  readonly shards: readonly Shard[]
  readonly textFor: (shard: Shard) => Buffer
  readonly parameters: Parameters
  readonly resultFormats: readonly number[]
  /** Rows wanted of each shard at most; 0: all. */
  readonly maxRows: number
  readonly access: 'read' | 'write'
  /** The client will run it again: it is worth being prepared. Else it is parsed each time. */
  readonly kept?: KeptRequest | undefined
  /** It may become one statement a node, see united-statement.ts: nobody wants to know which tables the columns are of. */
  readonly unites?: boolean
}

/** The answers of a connection's shards come in the order of `shards`, each ended by its command tag. */
export type ReaderFactory = (
  connection: BackendConnection,
  shards: readonly Shard[],
) => AnswerReader

/** The text was made by the planner: positions in it mean nothing to the client. */
const MENDING: Mending = { positions: 'drop' }

/** Where the session's own setting isn't at hand: citus.executor_slow_start_interval's default. */
const SLOW_START_MS = 10

/**
 * Runs the worker's text on every shard. What is known to be quick, and all inside a transaction: over one connection a
 * node, its shards pipelined on it with one Sync. Else see ParallelScatter. Resolves when all answers are complete. The
 * first error wins: the others' rest is cancelled and dropped, and only then is it thrown, so that every connection
 * can be used again (or is closed).
 */
export async function scatter(
  request: ScatterRequest,
  context: StatementContext,
  flow: ScatterFlow,
  readerFor: ReaderFactory,
  signal: AbortSignal = context.signal,
): Promise<void> {
  const { moment } = context
  if (moment !== undefined) {
    return await scatterAtOneMoment(request, moment, context, flow, readerFor, signal)
  }
  const spare = request.access === 'read' ? context.spare : undefined
  const isQuick =
    request.kept !== undefined &&
    request.maxRows === 0 &&
    isQuickScatter(request.kept.worker, spare?.slowStartMs ?? SLOW_START_MS)
  const kept = keptRequest(request, context, isQuick)
  const send = (connection: BackendConnection, shards: readonly Shard[]): ServerAnswer => {
    const reader = mappedReader(
      readerFor(connection, shards),
      connection,
      request.resultFormats,
      context.catalog,
    )
    const parameters = parametersFor(connection, request, context)
    const needsFields = context.catalog.userTypes !== undefined && request.resultFormats.includes(1)
    if (kept === undefined || needsFields || parameters !== request.parameters) {
      const each = statements({ ...request, parameters }, shards)
      return sendStatements(connection, each, reader, MENDING)
    }
    isUnited = kept.isUnited === true
    return sendKept(connection, kept, shards, reader, MENDING)
  }
  let isUnited = false
  const beganAtMs = scatterBegan()
  let isDone = false
  try {
    if (spare === undefined || isQuick) {
      await runOnNodes(request.shards, request.access, context, flow, send, signal)
    } else {
      const parts = await connect(request.shards, 'read', context)
      signal.throwIfAborted()
      await new ParallelScatter(flow, send, spare).run(parts, signal)
    }
    isDone = true
    if (isUnited && kept !== undefined) noteUnited(kept.worker, undefined)
  } catch (error) {
    if (isUnited && kept !== undefined && noteUnited(kept.worker, error as RouterError)) {
      blameForm(error as RouterError)
    }
    throw error
  } finally {
    scatterEnded(isDone ? kept?.worker : undefined, beganAtMs)
  }
}

function keptRequest(
  { kept, unites, access, shards }: ScatterRequest,
  { isInTransaction }: StatementContext,
  isQuick: boolean,
): KeptRequest | undefined {
  if (kept === undefined || unites !== true || !isQuick || access === 'write') return kept
  const isUnited = shardsByNode(shards).every((part) =>
    mayUnite(kept.worker, part.shards, isInTransaction),
  )
  return isUnited ? { ...kept, isUnited } : kept
}

/** The first statement of a node also asks for the columns; all others have the same. */
function* statements(request: ScatterRequest, shards: readonly Shard[]): Generator<Statement> {
  const { textFor, parameters, resultFormats, maxRows } = request
  let describes = true
  for (const shard of shards) {
    yield { text: textFor(shard), parameters, resultFormats, describes, maxRows }
    describes = false
  }
}
