import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { Shard } from '../../../catalog/catalog.ts'
import {
  writeBind,
  writeClose,
  writeExecute,
  writeParse,
  writeSync,
} from '../../../wire/frontend-messages.ts'
import { Backend, HEADER_BYTES } from '../../../wire/message-codes.ts'
import type { Asking } from '../../copy/split/node-copy.ts'
import { interruptible } from '../../interruptible.ts'
import { parametersFor } from '../../parameter-types.ts'
import type { StatementContext } from '../../ports.ts'
import { runOnNodes } from '../../scatter/node-parts.ts'
import type { ScatterRequest } from '../../scatter/scatter.ts'
import { ScatterFlow } from '../../scatter/scatter-flow.ts'
import { type AnswerReader, ServerAnswer } from '../../server-answer.ts'

const BINARY = [1]

/** Body of a DataRow, which is a tuple of COPY's binary format: [start, end), valid only during the call. */
export type TakeRow = (chunk: Buffer, start: number, end: number) => void

/** Of one node, its portals in the order of the shards. */
export type NodePortals = { readonly nodeId: number; readonly names: readonly string[] }

/**
 * Opens a portal for each shard's query, in the transaction at hand: its rows are those of this moment, whatever the transaction
 * writes later. They live until they are closed, or the transaction ends.
 */
export async function openPortals(
  request: Pick<ScatterRequest, 'shards' | 'textFor' | 'parameters'>,
  context: StatementContext,
): Promise<readonly NodePortals[]> {
  const opened: NodePortals[] = []
  const prefix = `pgloom_rows_${randomBytes(6).toString('hex')}`
  const send = (connection: BackendConnection, shards: readonly Shard[]): ServerAnswer => {
    const { out, node } = connection
    const { types, formats, values } = parametersFor(connection, request, context)
    const names = shards.map(({ index }) => `${prefix}_${index}`)
    opened.push({ nodeId: node.nodeId, names })
    const answer = new ServerAnswer({}, { positions: 'drop' })
    answer.connection = connection
    connection.open(answer)
    for (const [index, shard] of shards.entries()) {
      writeParse(out, { name: '', text: request.textFor(shard), parameterTypes: types })
      const portal = names[index] ?? ''
      writeBind(out, { portal, statement: '', formats, values, resultFormats: BINARY })
    }
    writeSync(out)
    connection.flush()
    return answer
  }
  await runOnNodes(request.shards, 'read', context, new ScatterFlow(), send)
  return opened
}

/** The next rows of a portal, between two COPYs of its node. Resolves with whether there are more. */
export function nextRows(
  portal: string,
  maxRows: number,
  ask: (asking: Asking) => void,
  take: TakeRow,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let isSuspended = false
    const reader: AnswerReader = {
      hasWholeRuns: true,
      run: (chunk, start, end) => {
        for (let at = start; at < end; ) {
          const rowEnd = at + 1 + chunk.readInt32BE(at + 1)
          take(chunk, at + HEADER_BYTES, rowEnd)
          at = rowEnd
        }
        return false
      },
      message: (type) => {
        if (type === Backend.portalSuspended) isSuspended = true
      },
    }
    const send = (connection: BackendConnection): void => {
      const answer = new ServerAnswer(reader, { positions: 'drop' })
      answer.connection = connection
      connection.open(answer)
      writeExecute(connection.out, { portal, maxRows })
      writeSync(connection.out)
      connection.flush()
      interruptible(connection, signal, answer.completed()).then(() => resolve(isSuspended), reject)
    }
    ask({ send, skip: () => resolve(false) })
  })
}

/** What it holds, memory and a snapshot, is given back. */
export function closePortal(portal: string, ask: (asking: Asking) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const send = (connection: BackendConnection): void => {
      const answer = new ServerAnswer()
      answer.connection = connection
      connection.open(answer)
      writeClose(connection.out, { kind: 'portal', name: portal })
      writeSync(connection.out)
      connection.flush()
      answer.completed().then(resolve, reject)
    }
    ask({ send, skip: resolve })
  })
}
