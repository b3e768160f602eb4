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
import { ParallelScatter } from './parallel-scatter.ts'
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

/** The connections of a running scatter; whoever takes the rows may hold all of them back. */
export class ScatterFlow {
  /** Whoever takes the rows has enough. Not told where the rest does no harm. */
  onFull: (() => void) | undefined
  readonly #connections: BackendConnection[] = []
  #isPaused = false

  get connections(): readonly BackendConnection[] {
    return this.#connections
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  add(connection: BackendConnection): void {
    this.#connections.push(connection)
    if (this.#isPaused) connection.pause()
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    for (const connection of this.#connections) connection.pause()
  }

  readonly resume = (): void => {
    if (!this.#isPaused) return
    this.#isPaused = false
    for (const connection of this.#connections) connection.resume()
  }
}

/** One node's part: its connection, its shards, and the answer once the request is sent. */
type NodePart = {
  readonly connection: BackendConnection
  readonly shards: readonly Shard[]
}

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

/** As scatter(), for requests of any kind: `send` writes one for all of a node's shards. */
export async function runOnNodes(
  shards: readonly Shard[],
  access: 'read' | 'write',
  context: StatementContext,
  flow: ScatterFlow,
  send: (connection: BackendConnection, shards: readonly Shard[]) => ServerAnswer,
  signal: AbortSignal = context.signal,
): Promise<void> {
  const parts = await connect(shards, access, context)
  signal.throwIfAborted()
  for (const { connection } of parts) flow.add(connection)
  const answers = parts.map((part) => send(part.connection, part.shards))
  await allDone(parts, answers, flow, signal)
}

/** In the order of the nodes, one after the other: two sessions that wait for full pools can't wait for each other. */
async function connect(
  allShards: readonly Shard[],
  access: 'read' | 'write',
  context: StatementContext,
): Promise<NodePart[]> {
  const parts: NodePart[] = []
  for (const { nodeId, shards } of shardsByNode(allShards)) {
    parts.push({ connection: await context.connection(nodeId, access), shards })
  }
  return parts
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

async function allDone(
  parts: readonly NodePart[],
  answers: readonly ServerAnswer[],
  flow: ScatterFlow,
  signal: AbortSignal,
): Promise<void> {
  let firstError: RouterError | undefined
  const cancels: Promise<void>[] = []
  const stop = (error: RouterError): void => {
    if (firstError !== undefined) return
    firstError = error
    for (const [index, answer] of answers.entries()) {
      if (answer.isDone) continue
      answer.abandon()
      const connection = parts[index]?.connection
      if (connection !== undefined) cancels.push(connection.cancel(answer))
    }
    flow.resume()
  }
  const onAbort = (): void => stop(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.all(
      answers.map(async (answer) => {
        const error = await answer.done
        if (error !== undefined) stop(error)
      }),
    )
    await Promise.allSettled(cancels)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  if (firstError !== undefined) throw firstError
}
