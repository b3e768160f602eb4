import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { StatementDescription } from '../../executor/statement-description.ts'
import { mayNameMoment } from '../../sql/moment-literal.ts'
import type { ServerTexts } from '../fast/server-text.ts'
import type { PlannedStatement } from '../statement-planner.ts'

/** A statement of the client's: by Parse or by PREPARE, under one set of names as in Postgres. */
export class PreparedStatement {
  readonly name: string
  readonly text: Buffer
  #types: readonly number[]
  #planned: PlannedStatement | undefined
  /** The coordinator's answer to Describe, once it was asked. */
  description: StatementDescription | undefined = undefined
  /** The client has seen the description, so that it relies on the result's columns. */
  isDescribed = false
  /** A server has found that its result is not what the client was told: an error each time, unless the client asks anew. */
  isOutdated = false
  #namesMoment: boolean | undefined = undefined
  /** As the plan at hand has it. */
  #serverTexts: ServerTexts | undefined = undefined

  constructor(
    name: string,
    text: Buffer,
    types: readonly number[],
    planned: PlannedStatement | undefined,
  ) {
    this.name = name
    this.text = text
    this.#types = types
    this.#planned = planned
  }

  /** As declared, or as they were found when the statement had to be planned again; 0 = unspecified. */
  get types(): readonly number[] {
    return this.#types
  }

  /** undefined: the text is blank. */
  get planned(): PlannedStatement | undefined {
    return this.#planned
  }

  set planned(planned: PlannedStatement | undefined) {
    this.#planned = planned
    this.#serverTexts = undefined
  }

  /** The client has got the description at hand. */
  told(): void {
    this.isDescribed = true
    this.isOutdated = false
  }

  /** With another plan, and nothing known of its result. `types`: what its parameters have turned out to be. */
  renew(planned: PlannedStatement, types: readonly number[] | undefined): void {
    this.planned = planned
    this.#types = types ?? this.#types
    this.description = undefined
  }

  /** Servers must parse it for each run: see moment-literal.ts. Not quite as one Postgres, where the moment is that of Parse. */
  get namesMoment(): boolean {
    this.#namesMoment ??= mayNameMoment(this.text)
    return this.#namesMoment
  }

  /** What servers get of it. Only of a text that isn't blank. */
  serverTexts({ conduct, text, literals }: PlannedStatement): ServerTexts {
    this.#serverTexts ??= conduct.texts.of(text, this.#types, literals)
    return this.#serverTexts
  }
}

/** The names of one session. */
export class PreparedStatements {
  readonly #statements = new Map<string, PreparedStatement>()
  /** Found last: most clients run the same one many times. */
  #last: PreparedStatement | undefined

  get size(): number {
    return this.#statements.size
  }

  all(): PreparedStatement[] {
    return [...this.#statements.values()]
  }

  has(name: string): boolean {
    return this.#statements.has(name)
  }

  find(name: string): PreparedStatement | undefined {
    return this.#statements.get(name)
  }

  /** The name stands in [start, end) of a message. */
  findIn(chunk: Buffer, start: number, end: number): PreparedStatement | undefined {
    if (this.#last !== undefined && isAscii(this.#last.name, chunk, start, end)) return this.#last
    this.#last = this.#statements.get(chunk.toString('utf8', start, end))
    return this.#last
  }

  get(name: string): PreparedStatement {
    const statement = this.#statements.get(name)
    if (statement !== undefined) return statement
    const message =
      name === ''
        ? 'unnamed prepared statement does not exist'
        : `prepared statement "${name}" does not exist`
    throw new RouterError(SqlState.invalidSqlStatementName, message)
  }

  /** Parse of an unnamed statement replaces the last one; a name must be free. */
  checkFree(name: string): void {
    if (name === '' || !this.#statements.has(name)) return
    throw new RouterError(
      SqlState.duplicatePreparedStatement,
      `prepared statement "${name}" already exists`,
    )
  }

  set(statement: PreparedStatement): void {
    this.#statements.set(statement.name, statement)
    this.#last = undefined
  }

  /** Close of a name that isn't there is no error. */
  delete(name: string): void {
    this.#statements.delete(name)
    this.#last = undefined
  }

  clear(): void {
    this.#statements.clear()
    this.#last = undefined
  }
}

/** false, too, where it is the same but not ASCII. */
function isAscii(name: string, chunk: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if (code > 0x7f || chunk[start + index] !== code) return false
  }
  return true
}
