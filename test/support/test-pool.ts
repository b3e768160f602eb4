import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import type { SlotLimits, SlotPool } from '../../lib/backend/connection-slots.ts'
import { LocalSlots } from '../../lib/backend/local-slots.ts'
import { Pool } from '../../lib/backend/pool.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../lib/backend/pool-options.ts'
import { IdleConnection } from './idle-connection.ts'

export const SLOT_POOL: SlotPool = { host: 'here', port: 5432, database: 'app', user: 'app' }

/** One connection a pool, unless said otherwise. */
export function slotLimits(limits: {
  readonly poolSize?: number
  readonly reserveSize?: number
  readonly database?: number
  readonly user?: number
}): SlotLimits {
  return {
    poolSize: () => limits.poolSize ?? 1,
    reserveSize: () => limits.reserveSize ?? 0,
    maxDatabaseConnections: () => limits.database ?? 0,
    maxUserConnections: () => limits.user ?? 0,
  }
}

export type TestPoolOptions = Partial<PoolOptions> & {
  readonly slots?: LocalSlots
  readonly key?: Partial<SlotPool>
  readonly connect?: () => Promise<BackendConnection>
}

/** A pool of at most one connection, without a server, unless said otherwise. */
export function testPool(options: TestPoolOptions = {}): Pool {
  const { slots, key, connect = async () => IdleConnection.make(), ...rest } = options
  const given = { ...DEFAULT_POOL_OPTIONS, maxConnections: 1, ...rest }
  const limits = slotLimits({
    poolSize: given.maxConnections,
    reserveSize: given.reserveConnections,
  })
  const keeper = slots ?? new LocalSlots(limits)
  return new Pool(given, connect, (holder) => keeper.join({ ...SLOT_POOL, ...key }, holder))
}

/** Lets time pass for pools as Pools does, faster. */
export function ticking(
  t: { teardown(done: () => void): void },
  ...ticked: { tick(nowMs: number): void }[]
) {
  const timer = setInterval(() => {
    for (const one of ticked) one.tick(performance.now())
  }, 20)
  t.teardown(() => clearInterval(timer))
}
