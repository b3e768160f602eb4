import t from 'tap'
import { BackendLost, RouterError } from '../../lib/base/errors.ts'
import { IdleConnection } from '../support/idle-connection.ts'
import { testPool, ticking } from '../support/test-pool.ts'
import { until } from '../support/until.ts'

t.test('those who wait are served in order of arrival', async (t) => {
  const pool = testPool()
  const first = await pool.acquire()
  const served: number[] = []
  const waiting = [1, 2, 3].map(async (number) => {
    const connection = await pool.acquire()
    served.push(number)
    pool.release(connection)
  })
  t.equal(pool.acquireNow(), undefined)
  pool.release(first)
  await Promise.all(waiting)
  t.same(served, [1, 2, 3])
  t.same(pool.stats, { idle: 1, busy: 0, connecting: 0, waiting: 0 })
})

t.test(
  'while the server is down everyone is refused at once, and logins become rare',
  async (t) => {
    let attempts = 0
    const pool = testPool({
      maxConnections: 5,
      loginRetryMs: 400,
      connect: async () => {
        attempts++
        throw new BackendLost('could not connect to server here:5432: ECONNREFUSED', false)
      },
    })
    ticking(t, pool)
    const refusal = { sqlState: '08006', message: /ECONNREFUSED/ }
    const deadline = performance.now() + 500
    while (performance.now() < deadline) {
      await t.rejects(pool.acquire(), refusal)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    t.ok(attempts <= 4, `${attempts} logins`)
  },
)

t.test('a server that takes no more lets its clients wait for what they have', async (t) => {
  let isFull = false
  const pool = testPool({
    maxConnections: 5,
    connect: async () => {
      if (isFull) throw new RouterError('53300', 'sorry, too many clients already')
      return IdleConnection.make()
    },
  })
  const first = await pool.acquire()
  isFull = true
  const waiting = pool.acquire()
  await new Promise((resolve) => setImmediate(resolve))
  pool.release(first)
  t.equal(await waiting, first)
})

t.test('a time limit of waiting, and none for those who gave up', async (t) => {
  const pool = testPool({ acquireTimeoutMs: 50 })
  ticking(t, pool)
  const first = await pool.acquire()
  await t.rejects(pool.acquire(), { sqlState: '53300', message: 'query_wait_timeout' })
  const abort = new AbortController()
  const gone = pool.acquire(abort.signal)
  abort.abort(new RouterError('57014', 'canceling statement due to user request'))
  await t.rejects(gone, { message: /user request/, sqlState: '57014' })
  t.equal(pool.stats.waiting, 0)
  pool.release(first)
})

t.test('connections end with their lifetime, but are kept warm', async (t) => {
  let made = 0
  const pool = testPool({
    maxConnections: 4,
    minConnections: 2,
    maxLifetimeMs: 100,
    connect: async () => {
      made++
      return IdleConnection.make()
    },
  })
  pool.release(await pool.acquire())
  pool.tick(performance.now())
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(pool.stats.idle, 2, 'min_pool_size')
  await new Promise((resolve) => setTimeout(resolve, 110))
  pool.sweep(performance.now())
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(pool.stats.idle, 2)
  t.equal(made, 4, 'by new ones')
})

t.test('a paused pool lends nothing; afterwards all is new', async (t) => {
  const pool = testPool()
  const first = await pool.acquire()
  pool.pause()
  const waiting = pool.acquire()
  pool.release(first)
  t.equal(first.state, 'closed')
  t.equal(pool.stats.waiting, 1)
  pool.resume()
  t.not(await waiting, first)
  t.match(pool.figures(), { sv_active: 1, sv_idle: 0, cl_waiting: 0, pool_mode: 'transaction' })
})

t.test('a clock that jumps times nobody out, and makes no connection old', async (t) => {
  const pool = testPool({ acquireTimeoutMs: 60_000, idleTimeoutMs: 60_000 })
  ticking(t, pool)
  const first = await pool.acquire()
  const waiting = pool.acquire()
  const trueNow = Date.now
  t.teardown(() => {
    Date.now = trueNow
  })
  Date.now = () => trueNow() + 24 * 3_600_000
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(pool.stats.waiting, 1)
  pool.release(first)
  t.equal(await waiting, first)
  pool.release(first)
  pool.sweep(performance.now())
  t.equal(pool.stats.idle, 1)
})

t.test('doorman 3.10.6: what we lack ourselves does not make a server down', async (t) => {
  let isShort = true
  const pool = testPool({
    loginRetryMs: 60_000,
    connect: async () => {
      if (!isShort) return IdleConnection.make()
      const cause = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' })
      throw new BackendLost('could not connect to server', false, { cause })
    },
  })
  ticking(t, pool)
  for (let attempt = 0; attempt < 12; attempt++) {
    await t.rejects(pool.acquire(), { message: /could not connect/, sqlState: '08006' })
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  isShort = false
  await until('it is tried again', 60_000, async () => {
    const connection = await pool.acquire()
    pool.release(connection)
    return true
  })
})

t.test('min_pool_size holds without server_idle_timeout, too', async (t) => {
  const pool = testPool({ maxConnections: 4, minConnections: 3, idleTimeoutMs: 0 })
  ticking(t, pool)
  t.equal(pool.stats.idle, 0, 'not before somebody uses it')
  pool.release(await pool.acquire())
  await until('there are three', 60_000, async () => pool.stats.idle === 3)
  pool.sweep(performance.now() + 3_000_000)
  t.equal(pool.stats.idle, 3)
})

t.test('min_pool_size of a standing pool needs nobody who uses it', async (t) => {
  const pool = testPool({ maxConnections: 4, minConnections: 3, isStanding: true })
  ticking(t, pool)
  await until('there are three', 60_000, async () => pool.stats.idle === 3)
  pool.reconnect()
  await until('there are three again', 60_000, async () => pool.stats.idle === 3)
  pool.reload({ ...pool.options, isStanding: false })
  pool.reconnect()
  t.equal(pool.stats.idle + pool.stats.connecting, 0)
})

t.test('server_lifetime ends connections one by one: each lives up to a fifth less', async (t) => {
  const count = 60
  const pool = testPool({ maxConnections: count, maxLifetimeMs: 100_000, idleTimeoutMs: 600_000 })
  const beganAtMs = performance.now()
  const connections = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  const madeAtMs = performance.now()
  for (const connection of connections) pool.release(connection)
  pool.sweep(beganAtMs + 60_000)
  t.equal(pool.stats.idle, count)
  const trueNow = performance.now
  t.teardown(() => {
    performance.now = trueNow
  })
  const idleAt = (nowMs: number) => {
    performance.now = () => nowMs
    pool.sweep(nowMs)
    return pool.stats.idle
  }
  t.equal(idleAt(beganAtMs + 79_000), count)
  const left = idleAt(beganAtMs + 90_000)
  t.ok(left > 0 && left < count, `${left} of ${count}`)
  t.equal(idleAt(madeAtMs + 101_000), 0)
})
