import t from 'tap'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { Pool } from '../../lib/backend/pool.ts'
import { NO_SETTINGS } from '../../lib/backend/session-state.ts'

const OPTIONS = {
  maxConnections: 1,
  maxParallelConnects: 4,
  acquireTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 60_000,
}

/** As much of an idle connection as a pool looks at. */
class IdleConnection {
  readonly createdAtMs = Date.now()
  readonly settings = { session: NO_SETTINGS }
  readonly isReusable = true
  readonly hasCancelInFlight = false
  readonly openRequests = 0
  state = 'ready'
  onClosed: (() => void) | undefined = undefined

  resume(): void {
    // nothing was paused
  }

  close(): void {
    this.state = 'closed'
    this.onClosed?.()
  }
}

function makePool(): Pool {
  return new Pool(OPTIONS, async () => new IdleConnection() as unknown as BackendConnection)
}

t.test(
  'two who hold a connection of each pool and want one of the other both get it',
  async (t) => {
    const [north, south] = [makePool(), makePool()]
    const one = await north.acquire()
    const other = await south.acquire()
    const [second, first] = await Promise.all([south.acquireBeyond(), north.acquireBeyond()])
    t.same([north.stats.busy, south.stats.busy], [2, 2])
    for (const connection of [one, first]) north.release(connection)
    for (const connection of [other, second]) south.release(connection)
    t.equal(north.stats.idle, 2)
    north.sweep(Date.now())
    t.equal(north.stats.idle, 1, 'what exceeds the bound is closed')
  },
)

t.test('those who hold nothing wait while the pool is lent out beyond its bound', async (t) => {
  const pool = makePool()
  const [one, beyond] = [await pool.acquire(), await pool.acquireBeyond()]
  let served: BackendConnection | undefined
  const waiting = pool.acquire().then((connection) => {
    served = connection
  })
  pool.release(beyond)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(served, undefined)
  t.equal(pool.acquireNow(), undefined)
  pool.release(one)
  await waiting
  t.ok(served)
})
