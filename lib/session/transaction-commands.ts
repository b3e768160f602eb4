import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { SessionCommand } from '../planner/plan.ts'
import { writeNotice } from '../wire/error-messages.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import { finishPrepared } from './prepared-transactions.ts'
import type { SessionParts } from './session-parts.ts'

export type TransactionCommand = Extract<
  SessionCommand,
  {
    kind:
      | 'begin'
      | 'commit'
      | 'rollback'
      | 'savepoint'
      | 'release'
      | 'rollback-to'
      | 'prepare-transaction'
      | 'finish-prepared'
  }
>

/** BEGIN, COMMIT and their kin, with Postgres' own tags and warnings. */
export class TransactionCommands {
  readonly #parts: SessionParts

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Returns the command tag. `text`: the statement, since START TRANSACTION has a tag of its own. */
  async run(command: TransactionCommand, text: Buffer): Promise<string> {
    // biome-ignore lint/nursery/useExhaustiveSwitchCases: it doesn't see through Extract; the compiler does
    switch (command.kind) {
      case 'begin':
        return this.#begin(text, command.options)
      case 'commit':
        return this.#commit(command.chain)
      case 'rollback':
        return this.#rollback(command.chain)
      case 'savepoint':
        this.#requireBlock('SAVEPOINT')
        await this.#parts.transaction.savepoint(command.name)
        return 'SAVEPOINT'
      case 'release':
        this.#requireBlock('RELEASE SAVEPOINT')
        await this.#parts.transaction.release(command.name)
        return 'RELEASE'
      case 'rollback-to':
        this.#requireBlock('ROLLBACK TO SAVEPOINT')
        await this.#parts.transaction.rollbackTo(command.name)
        return 'ROLLBACK'
      case 'prepare-transaction':
        return this.#prepare(command.gid)
      case 'finish-prepared':
        return finishPrepared(command, this.#parts)
    }
  }

  get #isInBlock(): boolean {
    const { status, isImplicit } = this.#parts.transaction
    return status !== TransactionStatus.idle && !isImplicit
  }

  async #prepare(gid: string): Promise<string> {
    const { transaction, signal, channels } = this.#parts
    if (!this.#isInBlock) {
      this.#warn(SqlState.noActiveSqlTransaction, 'there is no transaction in progress')
      return 'ROLLBACK'
    }
    if (channels.hasChanges) {
      await transaction.rollback()
      throw new RouterError(
        SqlState.featureNotSupported,
        'cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY',
      )
    }
    const isPrepared = await transaction.prepareTransaction(gid, signal())
    return isPrepared ? 'PREPARE TRANSACTION' : 'ROLLBACK'
  }

  async #begin(text: Buffer, options: string): Promise<string> {
    const { transaction } = this.#parts
    if (this.#isInBlock) {
      this.#warn(SqlState.activeSqlTransaction, 'there is already a transaction in progress')
    }
    // the block that a script has opened goes on, with these characteristics
    if (!transaction.isInBlock) transaction.begin(text.toString('utf8').replace(/;\s*$/, ''))
    else if (options !== '') await transaction.replay(`SET TRANSACTION ${options}`, undefined)
    if (transaction.isImplicit) transaction.begin('')
    const isStart = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*start\b/i.test(text.toString('latin1'))
    return isStart ? 'START TRANSACTION' : 'BEGIN'
  }

  async #commit(chain: boolean): Promise<string> {
    const { transaction } = this.#parts
    if (!this.#isInBlock) {
      this.#refuseChain(chain, 'COMMIT AND CHAIN')
      this.#warn(SqlState.noActiveSqlTransaction, 'there is no transaction in progress')
      if (transaction.isImplicit) await transaction.commit()
      return 'COMMIT'
    }
    const { characteristics } = transaction
    const isCommitted = await transaction.commit()
    if (chain) transaction.begin(characteristics)
    return isCommitted ? 'COMMIT' : 'ROLLBACK'
  }

  async #rollback(chain: boolean): Promise<string> {
    const { transaction } = this.#parts
    if (!this.#isInBlock) {
      this.#refuseChain(chain, 'ROLLBACK AND CHAIN')
      this.#warn(SqlState.noActiveSqlTransaction, 'there is no transaction in progress')
      if (transaction.isImplicit) await transaction.rollback()
      return 'ROLLBACK'
    }
    const { characteristics } = transaction
    await transaction.rollback()
    if (chain) transaction.begin(characteristics)
    return 'ROLLBACK'
  }

  #refuseChain(chain: boolean, command: string): void {
    if (chain) throw notInBlock(command)
  }

  #requireBlock(command: string): void {
    if (!this.#isInBlock) throw notInBlock(command)
  }

  #warn(sqlState: string, message: string): void {
    writeNotice(this.#parts.output.frames, { severity: 'WARNING', sqlState, message })
  }
}

function notInBlock(command: string): RouterError {
  return new RouterError(
    SqlState.noActiveSqlTransaction,
    `${command} can only be used in transaction blocks`,
  )
}
