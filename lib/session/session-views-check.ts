import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { SessionView } from '../planner/plan.ts'
import type { SessionParts } from './session-parts.ts'

/** Throws 0A000 where the coordinator would leave out what the proxy holds of this session, or tell of others. */
export function checkSessionViews(views: readonly SessionView[], parts: SessionParts): void {
  for (const view of views) if (!isTrue(view, parts)) throw refusal(view)
}

function isTrue(view: SessionView, { transaction, channels, catalogs }: SessionParts): boolean {
  switch (view) {
    case 'pg_cursors': {
      const { nodeId } = coordinatorOf(catalogs.current())
      return [...transaction.cursors.nodeIds].every((id) => id === nodeId)
    }
    case 'pg_listening_channels':
      return !channels.isListening
    // the server's are the proxy's, for many sessions
    case 'pg_prepared_statements':
      return false
  }
}

function refusal(view: SessionView): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `${view} cannot be shown through the proxy`,
    {
      detail: 'The server does not know all that this session holds.',
      hint: 'Keep a list of their names in the application.',
    },
  )
}
