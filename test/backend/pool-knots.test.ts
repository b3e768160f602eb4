import t from 'tap'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { Borrower } from '../../lib/backend/borrower.ts'
import { LocalSlots } from '../../lib/backend/local-slots.ts'
import type { Pool } from '../../lib/backend/pool.ts'
import type { IdleConnection } from '../support/idle-connection.ts'
import { slotLimits, testPool, ticking } from '../support/test-pool.ts'

function take(pool: Pool, borrower?: Borrower): Promise<BackendConnection> {
  return pool.acquire(undefined, undefined, borrower)
}

const turns = () => new Promise((resolve) => setImmediate(resolve))

t.test('two who hold the one connection of a pool and want one of the other go on', async (t) => {
  const [north, south] = [testPool(), testPool()]
  const [one, other] = [new Borrower(), new Borrower()]
  const first = await take(north, one)
  const second = await take(south, other)
  const onesWish = take(south, one)
  await turns()
  t.equal(south.stats.busy, 1, 'the other still works: no excess')
  const othersWish = take(north, other)
  const granted = await Promise.race([
    onesWish.then((connection) => ({ pool: south, connection })),
    othersWish.then((connection) => ({ pool: north, connection })),
  ])
  t.same([north.stats.busy + south.stats.busy], [3], 'one beyond, for one of them')
  const isOne = granted.pool === south
  granted.pool.release(granted.connection)
  if (isOne) north.release(first)
  else south.release(second)
  const late = await (isOne ? othersWish : onesWish)
  t.same([one.isWaiting, other.isWaiting], [false, false])
  ;(isOne ? north : south).release(late)
  if (isOne) south.release(second)
  else north.release(first)
  t.same([north.stats.idle, south.stats.idle], [1, 1], 'the excess was closed when it came back')
  t.same([one.holds, other.holds], [0, 0])
})

t.test('no excess while one borrower works, nor for those who hold nothing', async (t) => {
  const [north, south] = [testPool({ maxConnections: 2 }), testPool()]
  const [waiting, working, third] = [new Borrower(), new Borrower(), new Borrower()]
  await take(north, waiting)
  const works = await take(north, working)
  await take(south, third)
  const signal = AbortSignal.timeout(60_000)
  const souths = south.acquire(signal, undefined, waiting)
  souths.catch(() => undefined)
  const norths = take(north, third)
  const nobody = take(north)
  await turns()
  t.equal(north.stats.busy, 2, 'the working one may come back')
  t.equal(south.stats.busy, 2, 'but who holds the one of the south waits for the north: a knot')
  north.release(works)
  await norths
  t.equal(north.stats.waiting, 1, 'in turn')
  void nobody.catch(() => undefined)
  north.close()
})

t.test('a statement that waits for a lock of one who waits here is a knot too', async (t) => {
  const slots = new LocalSlots(slotLimits({}))
  const [north, south] = [testPool({ slots }), testPool()]
  const [locker, locked] = [new Borrower(), new Borrower()]
  await take(south, locker)
  const running = (await take(north, locked)) as unknown as IdleConnection
  running.openRequests = 1
  const wish = take(north, locker)
  await turns()
  t.equal(north.stats.busy, 1)
  ticking(t, slots)
  await wish
  t.equal(north.stats.busy, 2)
})
