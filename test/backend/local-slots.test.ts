import t from 'tap'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { LastingBorrower } from '../../lib/backend/borrower.ts'
import { LocalSlots } from '../../lib/backend/local-slots.ts'
import type { Pool } from '../../lib/backend/pool.ts'
import { slotLimits, testPool, ticking } from '../support/test-pool.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000

const turns = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Borrows and gives back again and again, until stopped; counts. */
class Worker {
  served = 0
  readonly done: Promise<void>
  #isStopped = false

  constructor(pool: Pool) {
    this.done = this.#run(pool)
  }

  async #run(pool: Pool): Promise<void> {
    while (!this.#isStopped) {
      const connection = await pool.acquire()
      await new Promise((resolve) => setTimeout(resolve, 1))
      this.served++
      pool.release(connection)
    }
  }

  stop(): void {
    this.#isStopped = true
  }
}

t.test('max_db_connections bounds all pools of a database together', async (t) => {
  const slots = new LocalSlots(slotLimits({ poolSize: 5, database: 3 }))
  const pools = ['ann', 'bob'].map((user) => testPool({ slots, maxConnections: 5, key: { user } }))
  const other = testPool({ slots, maxConnections: 5, key: { user: 'ann', database: 'other' } })
  const held: BackendConnection[] = []
  for (const pool of pools) {
    for (let i = 0; i < 3; i++) void pool.acquire().then((connection) => held.push(connection))
  }
  await turns()
  t.equal(held.length, 3)
  t.ok(await other.acquire(), 'another database has its own bound')
})

t.test('a pool that starves gets the idle connection of another', async (t) => {
  const slots = new LocalSlots(slotLimits({ poolSize: 2, user: 2 }))
  const [one, other] = ['app', 'web'].map((database) => {
    return testPool({ slots, maxConnections: 2, key: { database } })
  })
  if (one === undefined || other === undefined) throw new Error('two pools')
  for (const connection of [await one.acquire(), await one.acquire()]) one.release(connection)
  t.equal(one.stats.idle, 2)
  await other.acquire()
  t.same([one.stats.idle, other.stats.busy], [1, 1])
})

t.test('a user with many waiters cannot starve another', async (t) => {
  const slots = new LocalSlots(slotLimits({ poolSize: 10, database: 4 }))
  const [greedy, modest] = ['greedy', 'modest'].map((user) => {
    return testPool({ slots, maxConnections: 10, key: { user } })
  })
  if (greedy === undefined || modest === undefined) throw new Error('two pools')
  ticking(t, slots)
  const crowd = Array.from({ length: 50 }, () => new Worker(greedy))
  await turns()
  t.equal(greedy.stats.busy, 4)
  const few = Array.from({ length: 2 }, () => new Worker(modest))
  await until('each has its share', DEADLINE_MS, async () => {
    return greedy.stats.busy === 2 && modest.stats.busy === 2
  })
  for (const worker of [...crowd, ...few]) worker.stop()
  await Promise.all([...crowd, ...few].map(({ done }) => done))
})

t.test('more users than connections take turns', async (t) => {
  const slots = new LocalSlots(slotLimits({ poolSize: 5, database: 1 }))
  const pools = ['a', 'b', 'c'].map((user) => testPool({ slots, maxConnections: 5, key: { user } }))
  ticking(t, slots)
  const workers = pools.flatMap((pool) => [new Worker(pool), new Worker(pool)])
  await until('all are served', DEADLINE_MS, async () => workers.every(({ served }) => served > 3))
  for (const worker of workers) worker.stop()
  await Promise.all(workers.map(({ done }) => done))
  t.pass(workers.map(({ served }) => served).join(' '))
})

t.test('the reserve is for those who have waited', async (t) => {
  const pool = testPool({ maxConnections: 1, reserveConnections: 1, reserveTimeoutMs: 100 })
  const first = await pool.acquire()
  const startedMs = performance.now()
  ticking(t, pool)
  const second = await pool.acquire()
  t.ok(performance.now() - startedMs >= 100)
  t.equal(pool.stats.busy, 2)
  for (const connection of [first, second]) pool.release(connection)
})

t.test('lanes do not keep a knot from being seen', async (t) => {
  const slots = new LocalSlots(slotLimits({ poolSize: 2 }))
  const pool = testPool({ slots, maxConnections: 2 })
  const lanes = new LastingBorrower()
  await pool.acquire(undefined, undefined, lanes)
  t.equal(lanes.holds, 0)
  t.ok(pool.isBlocked())
  await pool.acquire()
  t.notOk(pool.isBlocked())
})

t.test('new limits take nothing from anyone before it comes back', async (t) => {
  const slots = new LocalSlots(slotLimits({ poolSize: 3 }))
  const pool = testPool({ slots, maxConnections: 3 })
  const held = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  slots.reload(slotLimits({ poolSize: 1 }))
  slots.tick()
  t.equal(pool.stats.busy, 3)
  for (const connection of held) {
    pool.release(connection)
    slots.tick()
  }
  t.same(pool.stats, { idle: 1, busy: 0, connecting: 0, waiting: 0 })
})
