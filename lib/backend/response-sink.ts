import type { BackendLost } from '../base/errors.ts'
import type { RunTable } from './answer-reader.ts'

/**
 * Takes the answer to one request (everything up to its ReadyForQuery). Called synchronously from the
 * socket's read callback; `chunk` is the connection's read buffer: copy what must outlive the call.
 * Nothing per row is allocated on this way.
 */
export interface ResponseSink {
  /** What arrives through rows(), as runs of bytes that may begin or end inside a row. The rest comes whole, through message(). */
  readonly runs: RunTable
  /** true: the runs begin and end between messages. Absent: they don't need to. */
  readonly wholeRuns?: boolean
  /**
   * A run of DataRow or CopyData bytes, in order. Return true when `chunk` is still referenced after the call
   * (for instance queued in a socket): the connection then reads on into a new buffer.
   */
  rows(chunk: Buffer, start: number, end: number): boolean
  /** For who has ANSWER_RUNS: RowDescription, to be changed in place. false: it comes to message() instead. */
  mends?(chunk: Buffer, start: number, end: number): boolean
  /** For who has ANSWER_RUNS: as rows() and then ready(), but that ReadyForQuery, from `readyAt` on, is part of the run. */
  lastRun?(chunk: Buffer, start: number, readyAt: number, end: number, status: number): boolean
  /** One whole message; `start` is at the type byte, `end` after its last byte. ReadyForQuery never comes here. */
  message(type: number, chunk: Buffer, start: number, end: number): void
  /** ReadyForQuery ended the request; `status` is its byte: I, T or E. The connection may already serve another. */
  ready(status: number): void
  /** The connection died before ReadyForQuery. Called at most once, instead of ready(). */
  lost(error: BackendLost): void
}
