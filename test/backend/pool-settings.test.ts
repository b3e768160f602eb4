import pg from 'pg'
import t from 'tap'
import { DEFAULT_CONNECTION_LIMITS } from '../../lib/backend/backend-connection.ts'
import { LaneGroup } from '../../lib/backend/lane-group.ts'
import { DEFAULT_POOLS_OPTIONS, Pools, type PoolsOptions } from '../../lib/backend/pools.ts'
import { NO_SETTINGS } from '../../lib/backend/session-state.ts'
import { query } from '../../lib/executor/node-client.ts'
import { localProxy } from '../support/local-proxy.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'
import { testPool } from '../support/test-pool.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

const stock = new URL(await stockPostgres(t))
const server = { nodeId: 1, host: stock.hostname, port: Number(stock.port) }

async function clientOf(t: Teardown, pool: Partial<PoolsOptions>): Promise<pg.Client> {
  const port = await localProxy(t, server, undefined, 1, undefined, { pool })
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'app', database: 'app' })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

t.test('pipeline: off makes no lanes, a number so many at most', async (t) => {
  const lanesWith = async (maxLanes: number) => {
    const pool = testPool({ maxConnections: 64, maxLanes })
    const group = new LaneGroup(pool, async () => undefined)
    for (let attempt = 0; attempt < 10; attempt++) {
      // one that is in use makes the group want another
      group.take(NO_SETTINGS, performance.now(), 1000)?.enter(1, performance.now())
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { lanes: group.lanes.length, busy: pool.stats.busy }
  }
  t.same(await lanesWith(0), { lanes: 0, busy: 0 })
  t.same(await lanesWith(1), { lanes: 1, busy: 1 })
  t.same(await lanesWith(3), { lanes: 3, busy: 3 })
})

t.test('max_prepared_statements bounds what a server connection holds', async (t) => {
  const connectionLimits = { ...DEFAULT_CONNECTION_LIMITS, maxPreparedStatements: 3 }
  const client = await clientOf(t, { connectionLimits })
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 10; number++) {
      const { rows } = await client.query({
        name: `s${number}`,
        text: `SELECT ${number} + $1::int AS x`,
        values: [round],
      })
      t.equal(rows[0]?.x, number + round)
    }
  }
  // the proxy itself doesn't show them
  const direct = new pg.Client(stock.href)
  await direct.connect()
  t.teardown(() => direct.end())
  await direct.query(`CREATE FUNCTION held() RETURNS int LANGUAGE plpgsql AS $$
    DECLARE found int; BEGIN
      EXECUTE 'SELECT count(*) FROM pg_' || 'prepared_statements' INTO found; RETURN found;
    END $$`)
  const { rows } = await client.query('SELECT held()')
  t.equal(rows[0]?.held, 3)
})

t.test('server_check_query is asked of what has been idle for server_check_delay', async (t) => {
  const direct = new pg.Client(stock.href)
  await direct.connect()
  t.teardown(() => direct.end())
  await direct.query('CREATE SEQUENCE checks')
  const checksWith = async (checkDelayMs: number) => {
    await direct.query("SELECT setval('checks', 1)")
    const checkQuery = "SELECT nextval('checks')"
    const client = await clientOf(t, { checkQuery, checkDelayMs })
    for (let number = 0; number < 3; number++) {
      await client.query('BEGIN; SELECT 1; COMMIT')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { rows } = await direct.query('SELECT last_value::int AS value FROM checks')
    return rows[0]?.value - 1
  }
  t.ok((await checksWith(1)) >= 2)
  t.equal(await checksWith(60_000), 0)
})

t.test('server_fast_close ends what RECONNECT wants closed with its transaction', async (t) => {
  const make = (closesFast: boolean) => {
    const pools = new Pools({ ...DEFAULT_POOLS_OPTIONS, mode: 'session', closesFast })
    t.teardown(() => pools.closeAll())
    return pools.get(server, 'app', 'app')
  }
  const [fast, slow] = [make(true), make(false)]
  const [kept, idle, inBlock] = [await slow.acquire(), await fast.acquire(), await fast.acquire()]
  await query(inBlock, 'BEGIN')
  fast.reconnect()
  slow.reconnect()
  await until('the idle one is closed', DEADLINE_MS, async () => idle.state === 'closed')
  t.equal(inBlock.state, 'ready')
  await query(inBlock, 'COMMIT')
  await until('the other one, too', DEADLINE_MS, async () => inBlock.state === 'closed')
  t.equal(kept.state, 'ready', 'without it a session keeps what it has')
})
