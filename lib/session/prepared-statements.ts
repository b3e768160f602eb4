import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { StatementDescription } from '../executor/statement-description.ts'
import type { PlannedStatement } from './statement-planner.ts'

/** A statement of the client's: by Parse or by PREPARE, under one set of names as in Postgres. */
export type PreparedStatement = {
  readonly name: string
  readonly text: Buffer
  /** As declared; 0 = unspecified. */
  readonly types: readonly number[]
  /** undefined: the text is blank. */
  planned: PlannedStatement | undefined
  /** The coordinator's answer to Describe, once it was asked. */
  description: StatementDescription | undefined
  /** The client has seen the description, so that it relies on the result's columns. */
  isDescribed: boolean
}

/** The names of one session. */
export class PreparedStatements {
  readonly #statements = new Map<string, PreparedStatement>()

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
  }

  /** Close of a name that isn't there is no error. */
  delete(name: string): void {
    this.#statements.delete(name)
  }

  clear(): void {
    this.#statements.clear()
  }
}
