import type { BackendConnection } from '../../backend/backend-connection.ts'
import { Backend } from '../../wire/message-codes.ts'
import type { FieldDescription } from '../../wire/row-description.ts'
import type { StatementContext } from '../ports.ts'
import { type Mending, mendMessage } from '../relay/error-rewriting.ts'
import { mapRowDescription } from '../relay/row-description-mapping.ts'
import type { AnswerReader, ServerAnswer } from '../server-answer.ts'
import { checkColumns } from '../stale-statement.ts'

/**
 * A reader, for requests made with mappedReader() or of the coordinator, that passes one connection's rows (DataRow or CopyData) on to the client in runs, holding the connection
 * back while the client is congested.
 */
export function relayedRows(
  connection: BackendConnection,
  context: Pick<StatementContext, 'client' | 'catalog'>,
  sendsRowDescription: boolean,
  mending: Mending,
  expectedFields?: readonly FieldDescription[],
): AnswerReader {
  const { client, catalog } = context
  const resume = (): void => connection.resume()
  const pass = (chunk: Buffer, start: number, end: number): boolean => {
    const kept = client.write(chunk, start, end) === 'kept'
    if (client.isCongested) {
      connection.pause()
      client.whenDrained(resume)
    }
    return kept
  }
  return {
    run: pass,
    message: (type, chunk, start, end) => {
      if (type === Backend.rowDescription) {
        const description = Buffer.from(chunk.subarray(start, end))
        const { nodeId } = connection.node
        const refusal = mapRowDescription(description, 0, description.length, nodeId, catalog, true)
        if (refusal !== undefined) throw refusal
        checkColumns(description, expectedFields)
        if (sendsRowDescription) pass(description, 0, description.length)
      } else if (COPY_MESSAGES.has(type)) {
        pass(Buffer.from(chunk.subarray(start, end)), 0, end - start)
      }
    },
    notice: (chunk, start, end) => {
      const notice = mendMessage(chunk, start, end, mending)
      pass(notice, 0, notice.length)
    },
  }
}

const COPY_MESSAGES: ReadonlySet<number> = new Set([
  Backend.copyInResponse,
  Backend.copyOutResponse,
  Backend.copyDone,
])

/**
 * Waits for an answer; if the client gives up meanwhile the server is asked to stop. Throws the answer's error, or the
 * signal's reason, when the connection can be used again.
 */
export async function waitFor(
  answer: ServerAnswer,
  connection: BackendConnection,
  signal: AbortSignal,
): Promise<void> {
  let cancel: Promise<void> | undefined
  const onAbort = (): void => {
    answer.abandon()
    connection.resume()
    cancel = connection.cancel(answer)
  }
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  const error = await answer.done
  signal.removeEventListener('abort', onAbort)
  await cancel?.catch(() => undefined)
  if (signal.aborted) throw signal.reason
  if (error !== undefined) throw error
}
