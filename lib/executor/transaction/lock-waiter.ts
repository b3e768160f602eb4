import type { RouterError } from '../../base/errors.ts'

/** A statement over several nodes that has been running for so long that it may be waiting for a lock. */
export type LockWaiter = {
  /** In this process, of this one statement. */
  readonly key: string
  /** When its transaction began, by the clock of the day: the youngest gives way. */
  readonly startedAtMs: number
  /** The server processes that act for it. */
  readonly backends: readonly Backend[]
  /** No effect once the statement is over. */
  refuse(error: RouterError): void
}

/** A server process, or a prepared part of the transaction by its name there. */
export type Backend = { readonly nodeId: number; readonly processId: number | string }

/** Told of such statements again and again, for as long as they run. control/deadlock-detector.ts is one. */
export interface LockWaitObserver {
  /** A statement is worth telling of after so long. */
  readonly afterMs: number
  mayWait(waiter: LockWaiter): void
}
