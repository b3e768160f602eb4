import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { NO_SETTINGS } from '../../lib/backend/session-state.ts'

/** As much of an idle connection as a pool looks at. */
export class IdleConnection {
  createdAtMs = Date.now()
  readonly settings = { session: NO_SETTINGS }
  isReusable = true
  readonly hasCancelInFlight = false
  openRequests = 0
  answers = 0
  state = 'ready'
  onClosed: (() => void) | undefined = undefined

  /** For a pool, which sees no difference. */
  static make(): BackendConnection {
    return new IdleConnection() as unknown as BackendConnection
  }

  resume(): void {
    // nothing was paused
  }

  close(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.onClosed?.()
  }
}
