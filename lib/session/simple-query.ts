import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { writeEmptyQueryResponse } from '../wire/backend-messages.ts'
import { writeQuery } from '../wire/frontend-messages.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import type { SessionParts } from './session-parts.ts'
import type { ParsedStatement, PlannedStatement } from './statement-planner.ts'
import type { StatementRunner } from './statement-runner.ts'

/**
 * The Query message. Several statements in one are one implicit transaction, as in Postgres: an error undoes all that
 * ran since the last COMMIT within them.
 */
export class SimpleQuery {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner

  constructor(parts: SessionParts, runner: StatementRunner) {
    this.#parts = parts
    this.#runner = runner
  }

  /** Everything but the ErrorResponse, which is the caller's, and ReadyForQuery. */
  async run(text: Buffer): Promise<void> {
    const { planner, output, transaction, user } = this.#parts
    const cached = this.#runner.planFromCache(text)
    if (cached !== undefined) {
      await this.#runner.runSimple(cached)
      transaction.endStatement(false)
      if (!this.#runner.isFresh) await this.#runner.refreshIfNeeded()
      return
    }
    const statements = planner.split(text, user)
    const [only] = statements
    if (only === undefined) writeEmptyQueryResponse(output.frames)
    else if (statements.length === 1) await this.#runOne(only)
    else await this.#runScript(text, statements)
    await this.#runner.refreshIfNeeded()
  }

  async #runOne(parsed: ParsedStatement): Promise<void> {
    await this.#runner.runSimple(this.#runner.plan(parsed))
    this.#parts.transaction.endStatement(false)
  }

  async #runScript(text: Buffer, statements: readonly ParsedStatement[]): Promise<void> {
    const { transaction } = this.#parts
    if (transaction.status === TransactionStatus.idle) {
      const plans = statements.map((parsed) => this.#runner.plan(parsed))
      if (plans.every(isPlainLocal)) {
        await this.#relayScript(text, plans)
        return
      }
    }
    for (const parsed of statements) {
      if (!this.#runner.isFresh) await this.#runner.freshen()
      const planned = this.#runner.plan(parsed)
      const { plan } = planned
      const isBegin = plan.kind === 'session' && plan.command.kind === 'begin'
      if (transaction.status === TransactionStatus.idle && !isBegin) transaction.beginImplicit()
      await this.#runner.runSimple(planned)
      transaction.endStatement(false)
    }
    if (transaction.isImplicit) await transaction.commit()
  }

  /** The coordinator knows best what a script means: it gets the text as it is. */
  async #relayScript(text: Buffer, plans: readonly PlannedStatement[]): Promise<void> {
    const { transaction, catalogs, clock } = this.#parts
    for (const planned of plans) await this.#runner.prepareLocal(planned)
    for (const planned of plans) this.#runner.noteLocal(planned)
    const catalog = catalogs.current()
    const { nodeId } = coordinatorOf(catalog)
    const runsCode = plans.some(({ plan }) => plan.kind === 'local' && plan.runsCode)
    const target = { nodeId, access: 'write', runsCode, shardIndex: undefined } as const
    const connection = await this.#runner.connectionTo(target)
    for (const planned of plans) this.#runner.pinLocal(planned, connection)
    await this.#runner.relay(connection, { catalog }, (out, positions) => {
      positions.reset(text, 0, text.length)
      writeQuery(out, text)
    })
    clock.done('local', plans.length)
    transaction.endStatement(false)
  }
}

function isPlainLocal({ plan }: PlannedStatement): boolean {
  if (plan.kind !== 'local' || plan.cursor !== undefined) return false
  if (plan.sessionViews.length > 0) return false
  return plan.replacements.length === 0 && !plan.refreshesSizes && plan.readsSequences === 'none'
}
