import type { BackendConnection } from '../backend/backend-connection.ts'
import { writeDescribe, writeParse, writeSync } from '../wire/frontend-messages.ts'
import { Backend } from '../wire/message-codes.ts'
import {
  type FieldDescription,
  readParameterDescription,
  readRowDescription,
} from '../wire/row-description.ts'
import { ServerAnswer } from './server-answer.ts'

/** Postgres' own answer to Describe of a statement. */
export type StatementDescription = {
  readonly parameterTypes: readonly number[]
  /** undefined: the statement returns no rows. */
  readonly fields: readonly FieldDescription[] | undefined
}

/**
 * Asks a connection (the coordinator's: on the shells the answer is that of one Postgres) what a statement takes and
 * gives. Throws the server's error: of the text, of names, of types.
 */
export async function describeStatement(
  connection: BackendConnection,
  text: Buffer,
  parameterTypes: readonly number[],
): Promise<StatementDescription> {
  let types: readonly number[] = []
  let fields: readonly FieldDescription[] | undefined
  const answer = new ServerAnswer({
    message: (type, chunk, start, end) => {
      const frame = chunk.subarray(start, end)
      if (type === Backend.parameterDescription) types = readParameterDescription(frame)
      else if (type === Backend.rowDescription) fields = readRowDescription(frame)
    },
  })
  connection.open(answer)
  writeParse(connection.out, { name: '', text, parameterTypes })
  writeDescribe(connection.out, { kind: 'statement', name: '' })
  writeSync(connection.out)
  connection.flush()
  await answer.completed()
  return { parameterTypes: types, fields }
}

/** The fields as Describe of a portal shows them: with the formats that its Bind asked for. */
export function withFormats(
  fields: readonly FieldDescription[],
  formats: readonly number[],
): readonly FieldDescription[] {
  return fields.map((field, index) => ({
    ...field,
    format: (formats.length === 1 ? formats[0] : formats[index]) ?? 0,
  }))
}
