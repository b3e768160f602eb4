import type { BackendConnection } from '../../backend/backend-connection.ts'
import { Backend } from '../../wire/message-codes.ts'
import type { StatementContext } from '../ports.ts'
import type { Mending } from '../relay/error-rewriting.ts'
import { relayedRows } from '../scatter/relayed-rows.ts'
import { type AnswerReader, promiseWithResolver } from '../server-answer.ts'

/** A reader of the answer to a COPY FROM STDIN that the client takes for its own; `started`: it may send its data. */
export function relayedStart(
  connection: BackendConnection,
  context: StatementContext,
  mending: Mending,
): { readonly reader: AnswerReader; readonly started: Promise<void> } {
  const relayed = relayedRows(connection, context, false, mending)
  const { promise: started, resolve } = promiseWithResolver<void>()
  const message: AnswerReader['message'] = (type, chunk, start, end) => {
    relayed.message?.(type, chunk, start, end)
    if (type === Backend.copyInResponse) resolve()
  }
  return { reader: { ...relayed, message }, started }
}
