import t from 'tap'
import { Pool } from '../../lib/backend/pool.ts'
import { IdleConnection } from '../support/idle-connection.ts'

const OPTIONS = {
  maxConnections: 1,
  maxParallelConnects: 4,
  acquireTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 60_000,
}

t.test('those who wait are served in order of arrival', async (t) => {
  const pool = new Pool(OPTIONS, async () => IdleConnection.make())
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
