import { query } from '../../executor/node-client.ts'
import { quoteIdentifier } from '../../executor/relay/quoted-schema.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'
import type { SessionParts } from '../session-parts.ts'
import type { StatementRunner } from '../statement-runner.ts'
import type { Portal, Portals } from './portals.ts'
import { PreparedStatement } from './prepared-statements.ts'

/** Cursors that SQL has declared are portals to the protocol too: drivers ask for their columns by Describe. */
export class CursorPortals {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner
  readonly #portals: Portals

  constructor(parts: SessionParts, runner: StatementRunner, portals: Portals) {
    this.#parts = parts
    this.#runner = runner
    this.#portals = portals
  }

  /** A portal of the protocol, or a cursor. Throws when there is neither. */
  async get(name: string): Promise<Portal> {
    const found = this.#portals.find(name)
    if (found !== undefined || name === '') return this.#portals.get(name)
    const { transaction } = this.#parts
    const isKnown = transaction.cursors.find(name) !== undefined
    // a function may have opened one on the coordinator, which answers if it hasn't
    if (!isKnown && transaction.status === TransactionStatus.idle) return this.#portals.get(name)
    const connection = await this.#runner.connectionOf(name)
    const prepared = new PreparedStatement('', Buffer.alloc(0), [], undefined)
    const bound = { formats: [], values: [], resultFormats: [] }
    return { name, prepared, bound, server: { connection, name }, held: undefined, isDone: false }
  }

  /** No effect if there is no such cursor, as in Postgres. */
  async close(name: string): Promise<void> {
    const { cursors, status } = this.#parts.transaction
    if (cursors.find(name) === undefined || status === TransactionStatus.failed) return
    await query(await this.#runner.connectionOf(name), `CLOSE ${quoteIdentifier(name)}`)
    cursors.close(name)
  }
}
