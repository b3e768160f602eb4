import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { SessionSettings } from '../../backend/session-state.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { CatalogSource } from '../../catalog/catalog.ts'
import { query } from '../node-client.ts'
import type { OneMoment } from '../ports.ts'
import { atomically } from './atomically.ts'
import type { ConnectionLender } from './connection-lender.ts'
import { takeConsistentSnapshots } from './consistent-snapshots.ts'
import { onEach } from './participant-commit.ts'
import type { Participants } from './participants.ts'
import type { SessionPins } from './session-pins.ts'
import type { SessionTransaction } from './transaction.ts'

/** Opens the block of a statement of its own. */
const CONSISTENT_BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ'

const ON = "'on'"

export type ConsistentReadsOptions = {
  readonly settings: SessionSettings
  readonly catalog: CatalogSource
  readonly lender: ConnectionLender
  readonly participants: Participants
  readonly pinned: SessionPins
  readonly join: (connection: BackendConnection) => void
}

/**
 * pgloom.consistent_reads in one session's transaction block. The snapshots of a REPEATABLE READ block last as long as it does,
 * so they are all taken before its first statement; in READ COMMITTED each read of several shards takes its own.
 *
 *     none        outside of a block
 *     untouched   no node has been asked anything
 *     plain       each node has taken, or takes, its own snapshots
 *     consistent  all nodes have theirs, of one moment
 */
export class ConsistentReads {
  readonly #options: ConsistentReadsOptions
  #state: 'none' | 'untouched' | 'plain' | 'consistent' = 'none'
  /** Of the block, once a node was asked. */
  #isolation: string | undefined

  constructor(options: ConsistentReadsOptions) {
    this.#options = options
  }

  get isWanted(): boolean {
    return this.#options.settings.effective.get('citus.consistent_reads') === ON
  }

  get isHeld(): boolean {
    return this.#state === 'consistent'
  }

  /** A block has been opened. */
  begin(): void {
    this.#isolation = undefined
    this.#state = 'untouched'
  }

  end(): void {
    this.#state = 'none'
  }

  /**
   * Runs `work`, which reads several shards, over snapshots of one moment: those of the block, or in READ COMMITTED new ones, that
   * it takes by the `moment` that it is given.
   */
  run<T>(
    transaction: SessionTransaction,
    work: (moment: OneMoment | undefined) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return atomically(transaction, CONSISTENT_BEGIN, async () => {
      const { nodeId } = this.#options.lender.coordinator
      const coordinator = await transaction.connection(nodeId, 'read', signal)
      if (this.isHeld) return await work(undefined)
      if (await this.#isReadCommitted(coordinator)) return await work(this.#momentFor(signal))
      throw notConsistent()
    })
  }

  /** Each statement of the block sees what was committed before it. */
  async #isReadCommitted(coordinator: BackendConnection): Promise<boolean> {
    this.#isolation ??= await isolationOf(coordinator)
    return this.#isolation === 'read committed' || this.#isolation === 'read uncommitted'
  }

  #momentFor(signal: AbortSignal): OneMoment {
    const { lender } = this.#options
    const { nodeId: coordinatorId } = lender.coordinator
    return async (connections, snapshot) => {
      const others = connections.filter(({ node }) => node.nodeId !== coordinatorId)
      const gate = await lender.acquirePlain(coordinatorId)
      try {
        await takeConsistentSnapshots({ gate, others, snapshot, signal })
      } finally {
        lender.giveBack(gate)
      }
    }
  }

  /** A statement is about to ask a node. true: open() comes first. */
  isDue(access: 'read' | 'write' | 'setting'): boolean {
    if (this.#state !== 'untouched' || access === 'setting') return false
    if (this.isWanted) return true
    this.#state = 'plain'
    return false
  }

  /** All connections are taken before decisions are held up: whoever decides has some, and may be what we would wait for. */
  async open(signal: AbortSignal): Promise<void> {
    this.#state = 'plain'
    const { catalog, lender } = this.#options
    const { nodeId: coordinatorId } = lender.coordinator
    const coordinator = await this.#take(coordinatorId, signal)
    this.#join(coordinator)
    this.#isolation = await isolationOf(coordinator)
    if (this.#isolation !== 'repeatable read' && this.#isolation !== 'serializable') return
    const taken: BackendConnection[] = []
    try {
      for (const { nodeId } of [...catalog.current().nodes].sort((a, b) => a.nodeId - b.nodeId)) {
        if (nodeId !== coordinatorId) taken.push(await this.#take(nodeId, signal))
      }
      const gate = await lender.acquirePlain(coordinatorId)
      try {
        await this.#takeSnapshots(gate, coordinator, taken, signal)
      } finally {
        lender.giveBack(gate)
      }
    } finally {
      for (const connection of taken) this.#giveBack(connection)
    }
    this.#state = 'consistent'
  }

  /** Those that join are taken out of `taken`. */
  async #takeSnapshots(
    gate: BackendConnection,
    coordinator: BackendConnection,
    taken: BackendConnection[],
    signal: AbortSignal,
  ): Promise<void> {
    const others = [...taken]
    const snapshot = async () => {
      taken.length = 0
      for (const connection of others) this.#join(connection)
      await onEach([coordinator, ...others], 'SELECT 1')
    }
    await takeConsistentSnapshots({ gate, others, snapshot, signal })
  }

  /** The block's own, or an idle one. */
  async #take(nodeId: number, signal: AbortSignal): Promise<BackendConnection> {
    const { participants, pinned, lender } = this.#options
    const known = participants.find(nodeId) ?? pinned.living(nodeId)
    return known ?? (await lender.acquire(nodeId, signal))
  }

  #join(connection: BackendConnection): void {
    const { participants, join } = this.#options
    if (participants.find(connection.node.nodeId) !== connection) join(connection)
  }

  #giveBack(connection: BackendConnection): void {
    const { participants, pinned, lender } = this.#options
    const isOurs = participants.find(connection.node.nodeId) === connection
    if (!isOurs && !pinned.keeps(connection)) lender.giveBack(connection)
  }
}

async function isolationOf(connection: BackendConnection): Promise<string> {
  const { rows } = await query(connection, 'SHOW transaction_isolation')
  return rows[0]?.[0] ?? ''
}

function notConsistent(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'a consistent read of several shards needs a transaction of ISOLATION LEVEL REPEATABLE READ whose first statement was consistent too',
    {
      hint: 'Send the SELECT by itself, BEGIN ISOLATION LEVEL REPEATABLE READ with pgloom.consistent_reads = on, or turn it off.',
    },
  )
}
