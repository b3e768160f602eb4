import type { BackendConnection } from '../backend/backend-connection.ts'
import type { PreparedCache } from '../backend/prepared-cache.ts'
import {
  writeBind,
  writeDescribe,
  writeExecute,
  writeParse,
  writeSync,
} from '../wire/frontend-messages.ts'
import type { Parameters } from './ports.ts'
import type { Mending } from './relay/error-rewriting.ts'
import { type AnswerReader, ServerAnswer } from './server-answer.ts'
import { isStaleStatement } from './stale-statement.ts'

/** One statement of the extended protocol. */
export type Statement = {
  readonly text: Buffer
  readonly parameters: Parameters
  /** As in Bind. */
  readonly resultFormats: readonly number[]
  /** Ask for RowDescription (or NoData) before the rows. */
  readonly describes: boolean
  /** 0: all rows. */
  readonly maxRows: number
}

/** Parse, Bind, Describe and Execute; the Sync is sent by sendStatements after the last. */
function writeStatement(connection: BackendConnection, statement: Statement): void {
  const { out } = connection
  const { parameters } = statement
  writeParse(out, { name: '', text: statement.text, parameterTypes: parameters.types })
  writeBind(out, {
    portal: '',
    statement: '',
    formats: parameters.formats,
    values: parameters.values,
    resultFormats: statement.resultFormats,
  })
  if (statement.describes) writeDescribe(out, { kind: 'portal', name: '' })
  writeExecute(out, { portal: '', maxRows: statement.maxRows })
}

/** Of a statement that its connection keeps. What failed, or is stale, is not taken for prepared. */
class PreparedAnswer extends ServerAnswer {
  key = ''
  isNew = false
  readonly #prepared: PreparedCache

  constructor(connection: BackendConnection, reader: AnswerReader, mending: Mending) {
    super(reader, mending)
    this.connection = connection
    this.#prepared = connection.prepared
  }

  override ready(): void {
    const isSpoilt = this.error !== undefined && (this.isNew || isStaleStatement(this.error))
    if (isSpoilt) this.#prepared.drop(this.key)
    super.ready()
  }
}

/** One statement, prepared once on this connection. */
export function sendPrepared(
  connection: BackendConnection,
  statement: Statement,
  reader: AnswerReader,
  mending: Mending,
): ServerAnswer {
  const { out, prepared, settings } = connection
  const { text, parameters, resultFormats, describes, maxRows } = statement
  const answer = new PreparedAnswer(connection, reader, mending)
  connection.open(answer)
  const { key, name, isNew } = prepared.prepare(out, text, parameters.types, settings.inForce)
  answer.key = key
  answer.isNew = isNew
  const { formats, values } = parameters
  writeBind(out, { portal: '', statement: name, formats, values, resultFormats })
  if (describes) writeDescribe(out, { kind: 'portal', name: '' })
  writeExecute(out, { portal: '', maxRows })
  writeSync(out)
  connection.flush()
  return answer
}

/** Pipelines the statements with one Sync at the end: the first error ends them all. */
export function sendStatements(
  connection: BackendConnection,
  statements: Iterable<Statement>,
  reader?: AnswerReader,
  mending?: Mending,
): ServerAnswer {
  const answer = new ServerAnswer(reader, mending)
  answer.connection = connection
  connection.open(answer)
  for (const statement of statements) writeStatement(connection, statement)
  writeSync(connection.out)
  connection.flush()
  return answer
}
