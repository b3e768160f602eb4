import type { BackendConnection } from '../backend/backend-connection.ts'
import { readDataRow } from '../wire/backend-messages.ts'
import { writeQuery } from '../wire/frontend-messages.ts'
import type { Mending } from './error-rewriting.ts'
import { type AnswerReader, ServerAnswer } from './server-answer.ts'

/** Sends one Query message; its answer goes to `reader`. Not waited for: see the answer's `done`. */
export function sendQuery(
  connection: BackendConnection,
  sql: string | Buffer,
  reader?: AnswerReader,
  mending?: Mending,
): ServerAnswer {
  const answer = new ServerAnswer(reader, mending)
  connection.open(answer)
  writeQuery(connection.out, sql)
  connection.flush()
  return answer
}

/** Runs SQL of our own and throws its error. Returns the last command's tag. */
export async function execute(connection: BackendConnection, sql: string): Promise<string> {
  const answer = sendQuery(connection, sql)
  await answer.completed()
  return answer.tag
}

/** Runs SQL of our own that gives few rows: their values in text form. */
export async function fetchRows(
  connection: BackendConnection,
  sql: string,
): Promise<(string | undefined)[][]> {
  const rows: (string | undefined)[][] = []
  const answer = sendQuery(connection, sql, {
    row: (chunk, start, end) => {
      const values = readDataRow(chunk.subarray(start, end))
      rows.push(values.map((value) => value?.toString('utf8')))
    },
  })
  await answer.completed()
  return rows
}
