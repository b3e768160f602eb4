import type { BackendConnection } from '../backend/backend-connection.ts'
import type { PinReason } from '../planner/plan.ts'

/**
 * What the session asks of executor/transaction.ts: the transaction of one client over all nodes. All methods keep the
 * order of the calls; none is called while another one's promise is pending, but for close().
 */
export interface SessionTransactionPort {
  /** The byte for ReadyForQuery: I, T or E. An implicit transaction is T here too. */
  readonly status: number
  /** Opened by beginImplicit and not yet made explicit by begin(). */
  readonly isImplicit: boolean
  /** Without waiting; undefined: none is free, or it must first be made ready. */
  connectionNow(nodeId: number, access: 'read' | 'write'): BackendConnection | undefined
  connection(
    nodeId: number,
    access: 'read' | 'write',
    signal: AbortSignal,
  ): Promise<BackendConnection>
  /** After each statement. failed: the transaction, if there is one, is now E. Gives autocommit connections back. */
  endStatement(failed: boolean): void
  begin(options: string): void
  /** For a script or a pipeline of several statements. */
  beginImplicit(): void
  /** true: committed; false: it was failed, so that it was rolled back. Throws when the commit fails. */
  commit(): Promise<boolean>
  rollback(): Promise<void>
  savepoint(name: string): Promise<void>
  release(name: string): Promise<void>
  rollbackTo(name: string): Promise<void>
  /** Keeps the session on its own connection to this node from now on. */
  pin(nodeId: number, reason: PinReason): void
  unpinAll(): void
  /** The client is gone: cancels, rolls back, gives everything back clean. */
  close(): Promise<void>
}
