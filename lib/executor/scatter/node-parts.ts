import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import type { Shard } from '../../catalog/catalog.ts'
import { shardsByNode } from '../../catalog/node-shards.ts'
import type { StatementContext } from '../ports.ts'
import type { ServerAnswer } from '../server-answer.ts'
import type { ScatterFlow } from './scatter-flow.ts'

/** One node's part of what is asked of several: its connection and its shards. */
export type NodePart = {
  readonly connection: BackendConnection
  readonly shards: readonly Shard[]
}

/** `send` writes one request for all of a node's shards. */
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
  const answers: ServerAnswer[] = []
  for (const { connection, shards: own } of parts) {
    const { openRequests } = connection
    try {
      answers.push(send(connection, own))
    } catch (error) {
      // half a request
      if (connection.openRequests > openRequests) connection.close()
      await Promise.allSettled(abandonAll(parts, answers, flow))
      await Promise.all(answers.map(({ done }) => done))
      throw error
    }
  }
  await allDone(parts, answers, flow, signal)
}

/** In the order of the nodes, one after the other: two sessions that wait for full pools can't wait for each other. */
export async function connect(
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

/** The first error wins: the others' rest is cancelled and dropped, and only then is it thrown. */
export async function allDone(
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
    cancels.push(...abandonAll(parts, answers, flow))
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

/** What is still to come of the answers is dropped, and soon ends. */
function abandonAll(
  parts: readonly NodePart[],
  answers: readonly ServerAnswer[],
  flow: ScatterFlow,
): Promise<void>[] {
  const cancels: Promise<void>[] = []
  for (const [index, answer] of answers.entries()) {
    if (answer.isDone) continue
    answer.abandon()
    const connection = parts[index]?.connection
    if (connection !== undefined) cancels.push(connection.cancel(answer))
  }
  flow.resume()
  return cancels
}
