import t from 'tap'
import { NO_SETTINGS } from '../../lib/backend/session-state.ts'
import { currentRole, searchPathOf } from '../../lib/session/search-path.ts'

t.test('"$user" is the role in force', async (t) => {
  const role = (...settings: [string, string][]) => currentRole(new Map(settings), 'app')
  t.equal(currentRole(NO_SETTINGS, 'app'), 'app')
  t.equal(role(['role', "'bob'"]), 'bob')
  t.equal(role(['role', `'o''brien'`]), "o'brien")
  t.equal(role(['role', "'none'"]), 'app')
  t.equal(role(['session_authorization', "'eve'"]), 'eve')
  t.equal(role(['session_authorization', "'eve'"], ['role', "'bob'"]), 'bob')
  t.same(searchPathOf(undefined, role(['role', "'bob'"]))[0], 'bob')
})
