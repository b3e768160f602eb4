import t from 'tap'
import { CountedClientSlots, tooManyClients } from '../../lib/session/client/client-slots.ts'

t.test('clients are counted by database and user, too', async (t) => {
  const slots = new CountedClientSlots({
    total: 4,
    ofDatabase: (name) => (name === 'small' ? 1 : 0),
    ofUser: (name) => (name === 'ann' ? 2 : 0),
  })
  const small = { database: 'small', user: 'bob' }
  const ann = { database: 'app', user: 'ann' }
  t.equal(slots.take(small), undefined)
  t.equal(slots.take({ database: 'small', user: 'ann' }), 'max_db_client_connections')
  t.equal(slots.take(ann), undefined)
  t.equal(slots.take(ann), undefined)
  t.equal(slots.take(ann), 'max_user_client_connections')
  t.equal(slots.take({ database: 'app', user: 'bob' }), undefined)
  t.equal(slots.take({ database: 'app', user: 'eve' }), 'max_client_conn')
  slots.give(small)
  t.equal(slots.taken, 3)
  t.equal(slots.take(small), undefined)
  slots.reload({ total: 2, ofDatabase: () => 0, ofUser: () => 0 })
  t.equal(slots.take(ann), 'max_client_conn', 'who is in stays')
})

t.test("refusals are in PgBouncer's words", async (t) => {
  t.equal(
    tooManyClients('max_client_conn').message,
    'no more connections allowed (max_client_conn)',
  )
  t.match(tooManyClients('max_user_client_connections'), {
    sqlState: '53300',
    severity: 'FATAL',
    message: 'client connections exceeded (max_user_client_connections)',
  })
})
