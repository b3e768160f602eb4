import t from 'tap'
import {
  ConnectionSettings,
  NO_SETTINGS,
  SessionSettings,
} from '../../lib/backend/session-state.ts'

t.test('SessionSettings', async (t) => {
  t.test('follows COMMIT, ROLLBACK and savepoints as Postgres does', async (t) => {
    const settings = new SessionSettings()
    settings.set('a', "'1'")
    settings.begin()
    settings.set('a', "'2'")
    settings.set('b', "'3'", true)
    settings.savepoint('s')
    settings.set('a', undefined)
    t.equal(settings.effective.get('a'), undefined)
    settings.rollbackTo('s')
    t.same(
      [...settings.effective],
      [
        ['a', "'2'"],
        ['b', "'3'"],
      ],
    )
    settings.commit()
    t.same([...settings.effective], [['a', "'2'"]])
    settings.begin()
    settings.set('a', "'9'")
    settings.rollback()
    t.same([...settings.effective], [['a', "'2'"]])
  })

  t.test('equal settings are one object', async (t) => {
    const one = new SessionSettings()
    const other = new SessionSettings()
    one.set('a', '1')
    one.set('b', '2')
    other.set('B', '2')
    other.set('a', '1')
    t.equal(one.session, other.session)
  })
})

t.test('ConnectionSettings', async (t) => {
  t.test('writes only the difference, roles last', async (t) => {
    const wanted = new SessionSettings(
      new Map([
        ['role', '"r"'],
        ['a.b', "'x'"],
      ]),
    )
    const held = new ConnectionSettings()
    t.equal(held.syncText(wanted.session, false), `SET "a"."b" TO 'x'; SET "role" TO "r"`)
    held.synced(wanted.session, false)
    t.equal(held.syncText(wanted.session, false), '')
    t.equal(held.syncText(NO_SETTINGS, false), 'SET "role" TO DEFAULT; SET "a"."b" TO DEFAULT')
  })

  t.test('is what it was before, once a transaction has ended', async (t) => {
    const wanted = new SessionSettings(new Map([['a', '1']]))
    const held = new ConnectionSettings()
    held.synced(wanted.effective, true)
    t.equal(held.syncText(wanted.effective, true), '')
    held.savepointRolledBack()
    t.equal(held.syncText(NO_SETTINGS, true), 'SET LOCAL "a" TO DEFAULT')
    held.transactionEnded()
    t.equal(held.session, NO_SETTINGS)
    t.equal(held.syncText(wanted.effective, false), 'SET "a" TO 1')
  })
})
