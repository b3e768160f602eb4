import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import { writeQuery } from '../../wire/frontend-messages.ts'
import { SwallowSink } from './swallow-sink.ts'

/** Pipelined before the statement; an error fails the block on that node, so the statement can't run. */
export function slipIn(
  connection: BackendConnection,
  text: string,
  onError: (error: RouterError) => void,
): void {
  if (text === '') return
  connection.open(new SwallowSink(connection, onError))
  writeQuery(connection.out, text)
  connection.flush()
}
