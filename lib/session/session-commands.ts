import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { query } from '../executor/node-client.ts'
import type { SessionCommand } from '../planner/plan.ts'
import { writeCommandComplete } from '../wire/backend-messages.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import type { PreparedCommands } from './extended/prepared-commands.ts'
import type { SessionParts } from './session-parts.ts'
import { SettingCommands } from './setting-commands.ts'
import { checkNotFailed } from './statement-guards.ts'
import type { PlannedStatement } from './statement-planner.ts'
import { TransactionCommands } from './transaction-commands.ts'

/** What a command that runs on the coordinator as it is written needs of the runner. */
export type RelayVerbatim = (planned: PlannedStatement, text: string | Buffer) => Promise<void>

/** Statements about the session itself. */
export class SessionCommands {
  readonly settings: SettingCommands
  readonly #parts: SessionParts
  readonly #transactions: TransactionCommands
  #prepared: PreparedCommands | undefined

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.settings = new SettingCommands(parts)
    this.#transactions = new TransactionCommands(parts)
  }

  /** The two know each other: EXECUTE runs statements. */
  connect(prepared: PreparedCommands): void {
    this.#prepared = prepared
  }

  /** Writes rows and CommandComplete. `describes`: RowDescription before rows (simple protocol). */
  async run(planned: PlannedStatement, command: SessionCommand, describes: boolean): Promise<void> {
    if (command.kind === 'execute') {
      await this.#prepared?.execute(command.name, command.arguments, describes)
      return
    }
    if (command.kind === 'explain-execute') {
      await this.#prepared?.explain(command, describes)
      return
    }
    const tag = await this.#tagOf(planned, command, describes)
    if (tag !== undefined) writeCommandComplete(this.#parts.output.frames, tag)
    this.#parts.clock.done('command')
  }

  /** undefined: CommandComplete has been relayed. */
  async #tagOf(
    planned: PlannedStatement,
    command: Exclude<SessionCommand, { kind: 'execute' | 'explain-execute' }>,
    describes: boolean,
  ): Promise<string | undefined> {
    switch (command.kind) {
      case 'set':
        return this.#set(planned, command, describes)
      case 'reset':
        await this.settings.set(command.name, undefined, false)
        return 'RESET'
      case 'reset-all':
        await this.settings.resetAll()
        return 'RESET'
      case 'show':
        return this.#show(planned, command.name, describes)
      case 'set-transaction':
        return this.#setTransaction(planned, describes)
      case 'set-several':
        for (const { name, value } of command.settings) await this.settings.set(name, value, false)
        return 'SET'
      case 'discard':
        return this.#discard(planned, command.what, describes)
      case 'prepare':
        await this.#prepared?.prepare(command, planned)
        return 'PREPARE'
      case 'deallocate':
        return this.#deallocate(command.name)
      case 'close-all':
        return this.#closeAll()
      case 'listen':
        return this.#listen(true, command.channel)
      case 'unlisten':
        return this.#listen(false, command.channel)
      default:
        return this.#transactions.run(command, planned.text)
    }
  }

  /** Replayed on every node of the transaction. */
  async #setTransaction(
    planned: PlannedStatement,
    describes: boolean,
  ): Promise<string | undefined> {
    const { transaction, catalogs } = this.#parts
    await this.#prepared?.relayOnCoordinator(planned, describes)
    if (transaction.status === TransactionStatus.idle) return undefined
    const { nodeId } = coordinatorOf(catalogs.current())
    const ran = transaction.connections.find(({ node }) => node.nodeId === nodeId)
    await transaction.replay(planned.text.toString('utf8').replace(/;\s*$/, ''), ran)
    return undefined
  }

  async #set(
    planned: PlannedStatement,
    command: SessionCommand & { kind: 'set' },
    describes: boolean,
  ): Promise<string> {
    await this.settings.set(command.name, command.value, command.isLocal)
    // SELECT set_config(…) is a setting too, and has a row
    if (!isSelect(planned.text)) return 'SET'
    const value = (command.value ?? '').replace(/^\s*E?'([\s\S]*)'$/, '$1').replaceAll("''", "'")
    this.settings.writeValue('set_config', value, describes)
    return 'SELECT 1'
  }

  async #show(
    planned: PlannedStatement,
    name: string,
    describes: boolean,
  ): Promise<string | undefined> {
    const value = await this.settings.ownValue(name)
    if (value === undefined) {
      await this.#prepared?.relayOnCoordinator(planned, describes)
      return undefined
    }
    this.settings.writeValue(name, value, describes)
    return 'SHOW'
  }

  async #discard(
    planned: PlannedStatement,
    what: 'all' | 'plans' | 'sequences' | 'temp',
    describes: boolean,
  ): Promise<string | undefined> {
    const { transaction, prepared, temporaryNames, channels } = this.#parts
    if (what === 'plans') return 'DISCARD PLANS'
    if (what === 'sequences') {
      await this.#prepared?.relayOnCoordinator(planned, describes)
      return undefined
    }
    if (what === 'temp') {
      await this.#prepared?.relayOnCoordinator(planned, describes)
      transaction.reviewPins()
      this.#parts.temporaryViews.noteChange()
      return undefined
    }
    if (transaction.status !== TransactionStatus.idle) {
      throw new RouterError(
        SqlState.activeSqlTransaction,
        'DISCARD ALL cannot run inside a transaction block',
      )
    }
    prepared.clear()
    temporaryNames.clear()
    this.#parts.temporaryViews.clear()
    channels.clear()
    await transaction.discardAll()
    await this.settings.resetAll()
    return 'DISCARD ALL'
  }

  /** In a transaction it takes effect at commit. */
  async #listen(listens: boolean, channel: string | undefined): Promise<string> {
    const { channels, transaction } = this.#parts
    channels.change(listens, channel)
    if (!transaction.isInBlock) {
      try {
        await channels.prepareCommit()
        channels.commit()
      } finally {
        channels.rollback()
      }
    }
    return listens ? 'LISTEN' : 'UNLISTEN'
  }

  async #closeAll(): Promise<string> {
    const { transaction, catalogs, signal } = this.#parts
    checkNotFailed(transaction.status, undefined)
    const nodeIds = new Set([coordinatorOf(catalogs.current()).nodeId])
    for (const nodeId of transaction.cursors.nodeIds) nodeIds.add(nodeId)
    for (const nodeId of nodeIds) {
      await query(await transaction.connection(nodeId, 'read', signal()), 'CLOSE ALL')
    }
    transaction.cursors.closeAll()
    transaction.reviewPins()
    return 'CLOSE CURSOR ALL'
  }

  #deallocate(name: string | undefined): string {
    const { prepared } = this.#parts
    if (name === undefined) {
      prepared.clear()
      return 'DEALLOCATE ALL'
    }
    prepared.get(name)
    prepared.delete(name)
    return 'DEALLOCATE'
  }
}

function isSelect(text: Buffer): boolean {
  return /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*select\b/i.test(text.toString('latin1'))
}
