import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { SessionSettings } from '../../backend/session-state.ts'
import { settingSql } from '../../planner/setting-values.ts'

/**
 * Makes what set_config() or code of the user's has set on one connection a setting of the session. In a transaction it may
 * end with it: so it holds for its other nodes as if SET LOCAL, until the server tells at the end what has stayed.
 */
export function adoptSettings(
  settings: SessionSettings,
  connection: BackendConnection,
  found: ReadonlyMap<string, string>,
  isInTransaction: boolean,
): void {
  for (const [written, value] of found) {
    const name = written.toLowerCase()
    // outside, what the connection held before is what it goes back to unless the statement has changed it
    const known = (isInTransaction ? settings.effective : connection.settings.session).get(name)
    const sql = settingSql(name, value)
    if (known === sql || known === value || (known === undefined && isUnset(name, value))) continue
    settings.set(name, sql, isInTransaction)
    connection.settings.adopted(name, sql, isInTransaction)
  }
}

/** A setting with a prefix that was set and taken back is empty from then on. */
function isUnset(name: string, value: string): boolean {
  return (value === '' && name.includes('.')) || (name === 'role' && value === 'none')
}
