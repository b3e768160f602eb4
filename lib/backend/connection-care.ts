import { BackendLost, type RouterError } from '../base/errors.ts'
import { writeCopyFail } from '../wire/copy-messages.ts'
import { serverError } from '../wire/error-messages.ts'
import { writeQuery } from '../wire/frontend-messages.ts'
import { Backend, TransactionStatus } from '../wire/message-codes.ts'
import { ROW_RUNS } from './answer-reader.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { ResponseSink } from './response-sink.ts'

export const DISCARD_ALL = 'DISCARD ALL'
/** As PgBouncer writes it. */
const EMPTY_QUERY = '<empty>'
const CANCEL_AGAIN_MS = 500
const ROLLBACK_ATTEMPTS = 3

/** Rejects when the connection doesn't answer as it should; it is of no use then. */
export async function checkAlive(
  connection: BackendConnection,
  checkQuery: string,
  timeoutMs: number,
): Promise<void> {
  const text = checkQuery === EMPTY_QUERY ? '' : checkQuery
  await withDeadline(connection, timeoutMs, () => ask(connection, text))
}

/** What the administrator wants done first. Rejects when the connection is lost; errors of the query itself are as good as success. */
export async function runConnectQuery(
  connection: BackendConnection,
  query: string,
  timeoutMs: number,
): Promise<void> {
  await withDeadline(connection, timeoutMs, () => ask(connection, query)).catch((error) => {
    if (!connection.isReusable) throw error
  })
}

/**
 * Makes a connection that was given back in any state (a query running, a block open, a COPY half-way) fit for others: its query
 * is cancelled, its answers are drained, its block is rolled back; then it is cleaned by `resetQuery`, if any. Rejects when that
 * can't be done in time: the connection is of no use then.
 */
export async function mend(
  connection: BackendConnection,
  resetQuery: string,
  timeoutMs: number,
): Promise<void> {
  await withDeadline(connection, timeoutMs, async () => {
    if (!connection.isReusable) await rollBack(connection)
    if (resetQuery !== '') await reset(connection, resetQuery)
  })
}

async function rollBack(connection: BackendConnection): Promise<void> {
  void connection.cancel()
  for (let attempt = 0; attempt < ROLLBACK_ATTEMPTS; attempt++) {
    await connection.cancelsSettled()
    if (connection.isReusable) return
    // outside of a COPY the server ignores it
    writeCopyFail(connection.out, 'the client is gone')
    const again = setInterval(() => {
      if (connection.openRequests > 1) void connection.cancel()
    }, CANCEL_AGAIN_MS)
    // a cancel on its way may hit it: then it is tried again
    await ask(connection, 'ROLLBACK')
      .catch(() => undefined)
      .finally(() => clearInterval(again))
  }
  await connection.cancelsSettled()
}

async function reset(connection: BackendConnection, resetQuery: string): Promise<void> {
  await ask(connection, resetQuery)
  // what another text leaves behind nobody knows
  if (resetQuery !== DISCARD_ALL) await ask(connection, DISCARD_ALL)
  connection.settings.discarded()
  connection.prepared.clear()
}

async function withDeadline(
  connection: BackendConnection,
  timeoutMs: number,
  work: () => Promise<void>,
): Promise<void> {
  const timer = setTimeout(
    () => connection.close(new BackendLost('server connection does not answer', true)),
    timeoutMs,
  )
  await work().finally(() => clearTimeout(timer))
}

function ask(connection: BackendConnection, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.open(
      new MaintenanceSink((error) => (error === undefined ? resolve() : reject(error))),
    )
    writeQuery(connection.out, text)
    connection.flush()
  })
}

/** Only whether it went well. */
class MaintenanceSink implements ResponseSink {
  readonly runs = ROW_RUNS
  readonly #settle: (error: RouterError | undefined) => void
  #error: RouterError | undefined

  constructor(settle: (error: RouterError | undefined) => void) {
    this.#settle = settle
  }

  rows(): boolean {
    return false
  }

  message(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === Backend.errorResponse) this.#error ??= serverError(chunk.subarray(start, end))
  }

  ready(status: number): void {
    if (status !== TransactionStatus.idle) {
      this.#error ??= new BackendLost('server connection is in a transaction', true)
    }
    this.#settle(this.#error)
  }

  lost(error: BackendLost): void {
    this.#settle(error)
  }
}
