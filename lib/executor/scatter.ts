import type { BackendConnection } from '../backend/backend-connection.ts'
import type { RouterError } from '../base/errors.ts'
import type { Shard } from '../catalog/catalog.ts'
import type { ShardText } from '../planner/plan.ts'
import type { Mending } from './error-rewriting.ts'
import { type KeptRequest, sendKept } from './kept-request.ts'
import { ParallelScatter } from './parallel-scatter.ts'
import { parametersFor } from './parameter-types.ts'
import type { Parameters, StatementContext } from './ports.ts'
import type { AnswerReader, ServerAnswer } from './server-answer.ts'
import { type Statement, sendStatements } from './statement-request.ts'

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
}

/** The answers of a connection's shards come in the order of `shards`, each ended by its command tag. */
export type ReaderFactory = (
  connection: BackendConnection,
  shards: readonly Shard[],
) => AnswerReader

/** The text was made by the planner: positions in it mean nothing to the client. */
const MENDING: Mending = { positions: 'drop' }

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
  readonly shards: Shard[]
}

/** How long the last run of what is kept took. */
const lastMs = new WeakMap<ShardText, number>()

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
  const { kept } = request
  const send = (connection: BackendConnection, shards: readonly Shard[]): ServerAnswer => {
    const reader = readerFor(connection, shards)
    const parameters = parametersFor(connection, request, context)
    const needsFields = context.catalog.userTypes !== undefined && request.resultFormats.includes(1)
    return kept === undefined || needsFields || parameters !== request.parameters
      ? sendStatements(connection, statements({ ...request, parameters }, shards), reader, MENDING)
      : sendKept(connection, kept, shards, reader, MENDING)
  }
  const spare = request.access === 'read' ? context.spare : undefined
  const knownMs = kept === undefined ? undefined : lastMs.get(kept.worker)
  const isQuick = knownMs !== undefined && knownMs < (spare?.slowStartMs ?? 0)
  const startedMs = performance.now()
  if (spare === undefined || (isQuick && request.maxRows === 0)) {
    await runOnNodes(request.shards, request.access, context, flow, send, signal)
    if (kept !== undefined) lastMs.set(kept.worker, performance.now() - startedMs)
    return
  }
  const parts = await connect(request.shards, 'read', context)
  signal.throwIfAborted()
  await new ParallelScatter(flow, send, spare).run(parts, signal)
  if (kept !== undefined) lastMs.set(kept.worker, performance.now() - startedMs)
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
  const shardsOf = new Map<number, Shard[]>()
  for (const shard of allShards) {
    const shards = shardsOf.get(shard.nodeId)
    if (shards === undefined) shardsOf.set(shard.nodeId, [shard])
    else shards.push(shard)
  }
  const parts: NodePart[] = []
  for (const [nodeId, shards] of [...shardsOf].sort(([a], [b]) => a - b)) {
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
