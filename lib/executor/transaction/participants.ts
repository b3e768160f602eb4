import type { BackendConnection } from '../../backend/backend-connection.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'
import { query } from '../node-client.ts'

type Participant = {
  readonly connection: BackendConnection
  hasWritten: boolean
  /** How often it was asked for, after it joined. */
  uses: number
}

/** Who took part at a moment, and had been used how often. */
export type ParticipantMarks = ReadonlyMap<number, number>

const NO_MARKS: ParticipantMarks = new Map()

/** The nodes' parts in one transaction block: one connection a node. */
export class Participants {
  readonly #byNode = new Map<number, Participant>()

  get size(): number {
    return this.#byNode.size
  }

  get nodeIds(): readonly number[] {
    return [...this.#byNode.keys()]
  }

  get connections(): readonly BackendConnection[] {
    return [...this.#byNode.values()].map((one) => one.connection)
  }

  /** Those whose COMMIT decides. */
  get writers(): readonly BackendConnection[] {
    return [...this.#byNode.values()].filter((one) => one.hasWritten).map((one) => one.connection)
  }

  get readers(): readonly BackendConnection[] {
    return [...this.#byNode.values()].filter((one) => !one.hasWritten).map((one) => one.connection)
  }

  find(nodeId: number): BackendConnection | undefined {
    return this.#byNode.get(nodeId)?.connection
  }

  /** undefined: the node takes no part yet. */
  use(nodeId: number, writes: boolean): BackendConnection | undefined {
    const participant = this.#byNode.get(nodeId)
    if (participant === undefined) return undefined
    if (writes) participant.hasWritten = true
    participant.uses++
    return participant.connection
  }

  join(nodeId: number, connection: BackendConnection, writes: boolean): void {
    this.#byNode.set(nodeId, { connection, hasWritten: writes, uses: 0 })
  }

  marks(): ParticipantMarks {
    if (this.#byNode.size === 0) return NO_MARKS
    return new Map([...this.#byNode].map(([nodeId, { uses }]) => [nodeId, uses]))
  }

  /**
   * Nodes that have joined since, or the one of this number if it was asked for once only, by the last statement; undefined: others
   * were used too, or none.
   */
  #joinedSince(since: ParticipantMarks | number): readonly number[] | undefined {
    if (typeof since === 'number') {
      return this.#byNode.get(since)?.uses === 0 ? [since] : undefined
    }
    const joined: number[] = []
    for (const [nodeId, { uses }] of this.#byNode) {
      const before = since.get(nodeId)
      if (before === undefined) joined.push(nodeId)
      else if (before !== uses) return undefined
    }
    return joined.length === 0 ? undefined : joined
  }

  /** Rolls them back: they take part no more. undefined: it can't be done, or not for all. */
  async dismissSince(
    since: ParticipantMarks | number,
  ): Promise<readonly BackendConnection[] | undefined> {
    const nodeIds = this.#joinedSince(since)
    if (nodeIds === undefined) return undefined
    await this.settleCancels()
    const dismissed: BackendConnection[] = []
    for (const nodeId of nodeIds) {
      const connection = this.find(nodeId)
      if (connection?.state !== 'ready') return undefined
      await query(connection, 'ROLLBACK')
      this.#byNode.delete(nodeId)
      connection.settings.transactionEnded()
      dismissed.push(connection)
    }
    return dismissed
  }

  /** The only one, if nothing is on its way to it and its server stands in a sound block. */
  get calmSole(): BackendConnection | undefined {
    if (this.#byNode.size !== 1) return undefined
    for (const { connection } of this.#byNode.values()) {
      const isCalm = connection.openRequests === 0 && !connection.hasCancelInFlight
      const isSound = connection.transactionStatus === TransactionStatus.inTransaction
      return connection.state === 'ready' && isCalm && isSound ? connection : undefined
    }
    return undefined
  }

  hasWritten(nodeId: number): boolean {
    return this.#byNode.get(nodeId)?.hasWritten === true
  }

  /** The block has failed for good: locks go now, as in Postgres, not when the client says ROLLBACK. */
  abort(): void {
    for (const connection of this.connections) {
      const isIdle = connection.state === 'ready' && connection.openRequests === 0
      const isSound = connection.transactionStatus === TransactionStatus.inTransaction
      if (isIdle && isSound) void query(connection, 'ROLLBACK').catch(() => undefined)
    }
  }

  /** Of all that can still be reached. */
  async rollback(): Promise<void> {
    const living = this.connections.filter((connection) => connection.state === 'ready')
    await Promise.allSettled(living.map((connection) => query(connection, 'ROLLBACK')))
  }

  /** A cancel that is still on its way must not hit COMMIT or ROLLBACK. */
  async settleCancels(): Promise<void> {
    for (const connection of this.connections) {
      if (connection.hasCancelInFlight) await connection.cancelsSettled()
    }
  }

  clear(): readonly BackendConnection[] {
    const { connections } = this
    this.#byNode.clear()
    return connections
  }
}
