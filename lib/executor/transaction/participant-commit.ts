import type { BackendConnection } from '../../backend/backend-connection.ts'
import { BackendLost, RouterError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { query } from '../node-client.ts'
import type { ConnectionLender } from './connection-lender.ts'
import { canPrepare, commitOnePhase } from './one-phase-commit.ts'
import type { Participants } from './participants.ts'
import { failedTransaction, lostWhileCommitting } from './transaction-errors.ts'
import { commitTwoPhase } from './two-phase-commit.ts'

/** The same text on all, together; the first error is thrown after all have answered. */
export async function onEach(
  connections: readonly BackendConnection[],
  text: string,
): Promise<string[]> {
  const results = await Promise.allSettled(
    connections.map(async (connection) => (await query(connection, text)).tag),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return results.map((result) => (result.status === 'fulfilled' ? result.value : ''))
}

/** false: it had failed unseen, and was rolled back. */
async function commitOne(writer: BackendConnection): Promise<boolean> {
  try {
    return (await query(writer, 'COMMIT')).tag === 'COMMIT'
  } catch (error) {
    throw error instanceof RouterError ? commitFailure(writer, error) : error
  }
}

/** What is known of the transaction after its COMMIT has failed. */
export function commitFailure(writer: BackendConnection, error: RouterError): RouterError {
  // a FATAL of the server may come after its commit, as well as a plain loss
  const isKnown = writer.state === 'ready' || (error instanceof BackendLost && !error.sent)
  return isKnown ? error : lostWhileCommitting(error)
}

export type CommitOptions = {
  readonly log: Log
  /** See one-phase-commit.ts. */
  readonly allowsOnePhase?: boolean
}

export type BlockState = {
  readonly failed: boolean
  /** Why it may have failed unseen. */
  readonly slipped: RouterError | undefined
  /** What may still refuse. */
  readonly check: () => Promise<void>
}

/** Nodes that are preparing their parts, and the name that they do it under. */
type Preparing = {
  readonly transactionId: string
  readonly writers: readonly BackendConnection[]
}

/** Ends a transaction block on all its nodes alike. */
export class BlockCommit {
  readonly #lender: ConnectionLender
  readonly #log: Log
  readonly #allowsOnePhase: boolean
  #isDeciding = false
  #preparing: Preparing | undefined

  constructor(lender: ConnectionLender, options: CommitOptions) {
    this.#lender = lender
    this.#log = options.log
    this.#allowsOnePhase = options.allowsOnePhase === true
  }

  /** Of the block's connections, those a cancel may hit: once a two-phase commit is under way, only while nodes prepare. */
  cancellable(all: readonly BackendConnection[]): readonly BackendConnection[] {
    return this.#isDeciding ? (this.#preparing?.writers ?? []) : all
  }

  /** No cancel reaches what `work` does. */
  async shield<T>(work: () => Promise<T>): Promise<T> {
    this.#isDeciding = true
    try {
      return await work()
    } finally {
      this.#isDeciding = false
    }
  }

  /** The name under which nodes are preparing their parts. */
  get preparingAs(): string | undefined {
    return this.#preparing?.transactionId
  }

  /** false: it had failed, and was rolled back. */
  async run(participants: Participants, { failed, slipped, check }: BlockState): Promise<boolean> {
    await participants.settleCancels()
    if (failed) {
      await participants.rollback()
      return false
    }
    try {
      await check()
    } catch (error) {
      await participants.rollback()
      throw error
    }
    const { writers, readers } = participants
    try {
      const tags = await onEach(readers, 'COMMIT')
      if (tags.includes('ROLLBACK')) throw slipped ?? failedTransaction()
    } catch (error) {
      await participants.rollback()
      throw error
    }
    const [only] = writers
    if (only === undefined) return true
    if (writers.length === 1) return await commitOne(only)
    const reader = participants.find(this.#lender.coordinator.nodeId)
    await this.shield(() => this.#commitSpread(writers, reader, () => participants.rollback()))
    return true
  }

  /**
   * `reader`: the block's connection to the coordinator, if it only read there; it has just committed, so it is free, and
   * waiting for another might deadlock. `rollback`: of all, while nothing is prepared yet.
   */
  async #commitSpread(
    writers: readonly BackendConnection[],
    reader: BackendConnection | undefined,
    rollback: () => Promise<void>,
  ): Promise<void> {
    const coordinatorId = this.#lender.coordinator.nodeId
    const coordinator = writers.find((writer) => writer.node.nodeId === coordinatorId)
    const others = writers.filter((writer) => writer !== coordinator)
    if (this.#allowsOnePhase && !(await canPrepare(others, rollback))) {
      const ordered = coordinator === undefined ? others : [...others, coordinator]
      await commitOnePhase({ writers: ordered, rollback, log: this.#log })
      return
    }
    const decider =
      coordinator === undefined ? await this.#takeDecider(reader, rollback) : undefined
    try {
      await commitTwoPhase({
        writers: others,
        coordinator,
        decider,
        withDecisionConnection: async (work) => {
          const connection = await this.#lender.acquirePlain(coordinatorId)
          try {
            return await work(connection)
          } finally {
            this.#lender.giveBack(connection)
          }
        },
        preparing: (transactionId) => {
          this.#preparing =
            transactionId === undefined ? undefined : { transactionId, writers: others }
        },
        log: this.#log,
      })
    } finally {
      if (decider !== undefined && decider !== reader) this.#lender.giveBack(decider)
    }
  }

  /** Before anything is prepared: what fails here is rolled back everywhere. */
  async #takeDecider(
    reader: BackendConnection | undefined,
    rollback: () => Promise<void>,
  ): Promise<BackendConnection> {
    try {
      if (reader === undefined) {
        return await this.#lender.acquirePlain(this.#lender.coordinator.nodeId)
      }
      await this.#lender.makePlain(reader)
      return reader
    } catch (error) {
      await rollback()
      throw error
    }
  }
}
