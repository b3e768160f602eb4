import {
  type BackendKeyData,
  writeBackendKeyData,
  writeReadyForQuery,
} from '../../wire/backend-messages.ts'
import { writeNotice } from '../../wire/error-messages.ts'
import type { FrameWriter } from '../../wire/frame-writer.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'

/** How clients are received; a reload changes it for those who come later. */
export interface ClientCustoms {
  /** In lower case: startup parameters that are dropped where the server doesn't know them. */
  readonly ignoredParameters: ReadonlySet<string>
  readonly addsHostToApplicationName: boolean
  /** A notice after the login. */
  readonly loginMessage: string | undefined
  readonly logsConnections: boolean
  readonly logsDisconnections: boolean
  /** Errors of our own that end a session. */
  readonly logsErrors: boolean
}

export const DEFAULT_CUSTOMS: ClientCustoms = {
  ignoredParameters: new Set(),
  addsHostToApplicationName: false,
  loginMessage: undefined,
  logsConnections: true,
  logsDisconnections: true,
  logsErrors: true,
}

/** The end of the login. */
export function greet(
  frames: FrameWriter,
  { loginMessage }: ClientCustoms,
  key: BackendKeyData,
): void {
  if (loginMessage !== undefined) {
    writeNotice(frames, { severity: 'NOTICE', message: loginMessage })
  }
  writeBackendKeyData(frames, key)
  writeReadyForQuery(frames, TransactionStatus.idle)
}

type Address = {
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
}

/** As PgBouncer writes it. */
export function applicationNameAt(name: string, { remoteAddress, remotePort }: Address): string {
  const place = remoteAddress === undefined ? 'unix' : `${remoteAddress}:${remotePort}`
  return `${name === '' ? 'app' : name} - ${place}`
}
