import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { SessionSettings, Settings } from '../../backend/session-state.ts'
import { asRouterError, type RouterError } from '../../base/errors.ts'
import { writeQuery } from '../../wire/frontend-messages.ts'
import { query } from '../node-client.ts'
import { SwallowSink } from './swallow-sink.ts'

/** What brings a participant in step by SET LOCAL; from here on it counts as in step. */
export function localSettings(connection: BackendConnection, settings: SessionSettings): string {
  const { effective } = settings
  const text = connection.settings.syncText(effective, true)
  if (text !== '') connection.settings.synced(effective, true)
  return text
}

/** What the session holds, pipelined before BEGIN: the connection keeps it. Closed if the server refuses, with all that was sent after it. */
export function settleBeforeBegin(
  connection: BackendConnection,
  session: Settings,
  onError: (error: RouterError) => void,
): void {
  const text = connection.settings.syncText(session, false)
  if (text === '') return
  connection.settings.synced(session, false)
  query(connection, text).catch((error: unknown) => {
    onError(asRouterError(error))
    connection.close()
  })
}

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
