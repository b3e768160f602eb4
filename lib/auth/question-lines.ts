import type { BackendConnection } from '../backend/backend-connection.ts'
import { BackendLost } from '../base/errors.ts'
import { query } from '../executor/node-client.ts'

/** Where a question about users is asked. */
export type QuestionTarget = {
  /** Equal for those that may share a connection. */
  readonly key: string
  /** With QUESTION_PARAMETERS. */
  readonly connect: () => Promise<BackendConnection>
}

/**
 * Nothing of the client's startup packet comes here, and names mean what Postgres means by them: else whoever sets
 * search_path could have functions of his run before he has logged in (CVE-2025-12819).
 */
export const QUESTION_PARAMETERS = {
  application_name: 'pgloom auth_query',
  search_path: 'pg_catalog',
} as const

export type QuestionRow = readonly (string | undefined)[]

const IDLE_MS = 30_000
const QUERY_TIMEOUT_MS = 10_000

/** One connection at most for each target. */
export class QuestionLines {
  readonly #lines = new Map<string, QuestionLine>()

  /** `name` is $1. */
  ask(target: QuestionTarget, sql: string, name: string): Promise<readonly QuestionRow[]> {
    return this.#line(target).ask(sql, name)
  }

  close(): void {
    for (const line of this.#lines.values()) line.close()
    this.#lines.clear()
  }

  #line(target: QuestionTarget): QuestionLine {
    const known = this.#lines.get(target.key)
    if (known !== undefined) return known
    const line = new QuestionLine(target)
    this.#lines.set(target.key, line)
    return line
  }
}

/** Asks one question after the other; the connection is made when needed, closed when nobody has logged in for a while. */
class QuestionLine {
  readonly #target: QuestionTarget
  #connection: BackendConnection | undefined
  #last: Promise<unknown> = Promise.resolve()
  #idleTimer: NodeJS.Timeout | undefined

  constructor(target: QuestionTarget) {
    this.#target = target
  }

  ask(sql: string, name: string): Promise<readonly QuestionRow[]> {
    const answer = this.#last.then(() => this.#askNow(sql, name))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  close(): void {
    clearTimeout(this.#idleTimer)
    this.#connection?.close()
    this.#connection = undefined
  }

  async #askNow(sql: string, name: string): Promise<readonly QuestionRow[]> {
    clearTimeout(this.#idleTimer)
    const connection = await this.#connected()
    const timer = setTimeout(() => {
      connection.close(new BackendLost('timed out waiting for auth_query', true))
    }, QUERY_TIMEOUT_MS)
    try {
      return (await query(connection, sql, [name])).rows
    } finally {
      clearTimeout(timer)
      this.#idleTimer = setTimeout(() => this.close(), IDLE_MS)
      this.#idleTimer.unref()
    }
  }

  async #connected(): Promise<BackendConnection> {
    if (this.#connection?.isReusable !== true) {
      this.#connection?.close()
      this.#connection = undefined
      this.#connection = await this.#target.connect()
    }
    return this.#connection
  }
}
