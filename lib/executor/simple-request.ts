import type { BackendConnection } from '../backend/backend-connection.ts'
import { writeQuery } from '../wire/frontend-messages.ts'
import type { Mending } from './relay/error-rewriting.ts'
import { type AnswerReader, ServerAnswer } from './server-answer.ts'

/** Sends one Query message; its answer goes to `reader`. Not waited for: see the answer's `done`. */
export function sendQuery(
  connection: BackendConnection,
  sql: string | Buffer,
  reader?: AnswerReader,
  mending?: Mending,
): ServerAnswer {
  const answer = new ServerAnswer(reader, mending)
  answer.connection = connection
  connection.open(answer)
  writeQuery(connection.out, sql)
  connection.flush()
  return answer
}
