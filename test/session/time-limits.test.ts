import { once } from 'node:events'
import pg from 'pg'
import { serialize } from 'pg-protocol'
import t from 'tap'
import type { PoolOptions } from '../../lib/backend/pool-options.ts'
import type { SessionLimits } from '../../lib/session/session-timers.ts'
import { localProxy } from '../support/local-proxy.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'
import { until } from '../support/until.ts'

t.setTimeout(120_000)

/** A proxy with one server connection. */
async function serve(
  t: Teardown,
  stock: string,
  limits: Partial<SessionLimits>,
  pool: Partial<PoolOptions> = {},
): Promise<string> {
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 1, undefined, { limits, pool }))
  return url.href
}

async function connected(t: Teardown, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end().catch(() => undefined))
  return client
}

const pidOf = async (client: pg.Client) => {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid
}

t.test('time limits', async (t) => {
  const stock = await stockPostgres(t)

  t.test('query_timeout cancels the statement and keeps client and server', async (t) => {
    const client = await connected(t, await serve(t, stock, { queryTimeoutMs: 300 }))
    const pid = await pidOf(client)
    const refusal = { code: '57014', message: 'canceling statement due to query_timeout' }
    await t.rejects(client.query('SELECT pg_sleep(30)'), refusal)
    await t.rejects(client.query('SELECT pg_sleep($1)', [30]), refusal)
    t.equal(await pidOf(client), pid)
  })

  t.test(
    'idle transactions end, and their server connection is rolled back and kept',
    async (t) => {
      const url = await serve(t, stock, { idleTransactionTimeoutMs: 300 })
      const client = await connected(t, url)
      const pid = await pidOf(client)
      await client.query('BEGIN')
      await client.query('CREATE TABLE undone ()')
      const [error] = await once(client, 'error')
      t.match(error, { code: '25P03', message: 'idle transaction timeout' })
      const other = await connected(t, url)
      t.equal(await pidOf(other), pid)
      const { rows } = await other.query(`SELECT to_regclass('undone') AS found`)
      t.same(rows, [{ found: null }])
    },
  )

  t.test('clients that are idle, and transactions that take too long, end', async (t) => {
    const idle = await connected(t, await serve(t, stock, { clientIdleTimeoutMs: 200 }))
    t.match(await once(idle, 'error'), [{ code: '57P05', message: 'client_idle_timeout' }])
    const busy = await connected(t, await serve(t, stock, { transactionTimeoutMs: 400 }))
    await busy.query('BEGIN')
    await busy.query('SELECT pg_sleep(0.05)')
    const refusal = { code: '25P04', message: 'transaction timeout' }
    await t.rejects(busy.query('SELECT pg_sleep(30)'), refusal)
  })

  t.test('query_wait_timeout refuses the statement that waits', async (t) => {
    const url = await serve(t, stock, {}, { acquireTimeoutMs: 300 })
    const one = await connected(t, url)
    const other = await connected(t, url)
    await one.query('BEGIN; SELECT 1')
    await t.rejects(other.query('SELECT 1'), { code: '53300', message: 'query_wait_timeout' })
    await one.query('COMMIT')
    await other.query('SELECT 1')
  })
})

t.test('clients that vanish', async (t) => {
  const stock = await stockPostgres(t)
  const url = await serve(t, stock, {})
  const watcher = await connected(t, stock)
  const work = async () => {
    const { rows } = await watcher.query(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(31)%' AND state = 'active' AND pid <> pg_backend_pid()`,
    )
    return rows.length
  }

  for (const [what, start] of [
    ['simple', (client: RawClient) => client.simple('SELECT pg_sleep(31)')],
    ['extended', (client: RawClient) => client.extended('SELECT pg_sleep(31)', [], 'text')],
    ['in a block', (client: RawClient) => client.simple('BEGIN; SELECT pg_sleep(31)')],
  ] as const) {
    t.test(`${what}: the query is cancelled, the server connection is kept`, async (t) => {
      const before = await connected(t, url)
      const pid = await pidOf(before)
      const gone = await RawClient.connect(url)
      start(gone).catch(() => undefined)
      await until('it runs', 10_000, async () => (await work()) > 0)
      gone.destroy()
      await until('it is cancelled', 5000, async () => (await work()) === 0)
      t.equal(await pidOf(before), pid)
    })
  }
})

t.test('clients that vanish in the middle of many rows', async (t) => {
  const stock = await stockPostgres(t)
  const url = await serve(t, stock, {})
  const watcher = await connected(t, stock)
  await watcher.query('CREATE TABLE sink (x text)')
  const isOpen = async () => {
    const { rows } = await watcher.query(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND (state <> 'idle' OR xact_start IS NOT NULL) AND pid <> pg_backend_pid()`,
    )
    return rows.length > 0
  }
  const before = await connected(t, url)
  const pid = await pidOf(before)

  for (const [what, sql, data] of [
    ['of an answer', 'SELECT repeat(x::text, 100) FROM generate_series(1, 100000000) x', ''],
    ['of COPY TO', 'COPY (SELECT generate_series(1, 100000000)) TO STDOUT', ''],
    ['of COPY FROM', 'COPY sink FROM STDIN', 'row\n'.repeat(1000)],
    ['of COPY FROM in a block', 'BEGIN; COPY sink FROM STDIN', 'row\n'.repeat(1000)],
  ] as const) {
    t.test(`${what}: the server connection is kept, and nothing is stored`, async (t) => {
      const gone = await RawClient.connect(url)
      gone.simple(sql).catch(() => undefined)
      await until('it runs', 10_000, isOpen)
      if (data !== '') gone.send(serialize.copyData(Buffer.from(data)))
      gone.destroy()
      await until('it ended', 10_000, async () => !(await isOpen()))
      t.equal(await pidOf(before), pid)
      const { rows } = await before.query('SELECT count(*)::int AS count FROM sink')
      t.same(rows, [{ count: 0 }])
    })
  }
})

t.test('pool modes', async (t) => {
  const stock = await stockPostgres(t)

  t.test('session: a server connection until the client leaves, then cleaned', async (t) => {
    const url = await serve(t, stock, {}, { mode: 'session' })
    const one = new pg.Client(url)
    await one.connect()
    const pid = await pidOf(one)
    await one.query(`CREATE TEMP TABLE mine (); SET work_mem = '3MB'; SELECT pg_advisory_lock(1)`)
    const waiting = connected(t, url)
    t.equal(await pidOf(one), pid)
    await one.end()
    const other = await waiting
    t.equal(await pidOf(other), pid)
    const { rows } = await other.query(
      `SELECT to_regclass('mine') AS mine, current_setting('work_mem') AS work_mem,
         (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory') AS locks`,
    )
    t.same(rows, [{ mine: null, work_mem: '4MB', locks: 0 }])
  })

  t.test('statement: no transactions of several statements', async (t) => {
    const client = await connected(t, await serve(t, stock, {}, { mode: 'statement' }))
    const message = 'transaction blocks not allowed in statement pooling mode'
    await t.rejects(client.query('BEGIN'), { code: '0A000', message })
    await client.query('SELECT 1')
  })
})
