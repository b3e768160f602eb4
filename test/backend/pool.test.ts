import t from 'tap'
import { testPool } from '../support/test-pool.ts'

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
