import { once } from 'node:events'
import pg from 'pg'
import { serialize } from 'pg-protocol'
import t from 'tap'
import { LimitSwitch, type LocalProxyOptions, localProxy } from '../support/local-proxy.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

/** A proxy with one server connection. */
async function serve(t: Teardown, stock: string, options: LocalProxyOptions = {}): Promise<string> {
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 1, undefined, options))
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
    const limits = new LimitSwitch()
    const client = await connected(t, await serve(t, stock, { limits }))
    const pid = await pidOf(client)
    limits.set({ queryTimeoutMs: 300 })
    const refusal = { code: '57014', message: 'canceling statement due to query_timeout' }
    await t.rejects(client.query('SELECT pg_sleep(300)'), refusal)
    await t.rejects(client.query('SELECT pg_sleep($1)', [300]), refusal)
    limits.set({})
    t.equal(await pidOf(client), pid)
  })

  t.test(
    'idle transactions end, and their server connection is rolled back and kept',
    async (t) => {
      const limits = new LimitSwitch()
      const url = await serve(t, stock, { limits })
      const client = await connected(t, url)
      const pid = await pidOf(client)
      await client.query('BEGIN')
      await client.query('CREATE TABLE undone ()')
      const ended = once(client, 'error')
      limits.set({ idleTransactionTimeoutMs: 300 })
      t.match(await ended, [{ code: '25P03', message: 'idle transaction timeout' }])
      limits.set({})
      const other = await connected(t, url)
      t.equal(await pidOf(other), pid)
      const { rows } = await other.query(`SELECT to_regclass('undone') AS found`)
      t.same(rows, [{ found: null }])
    },
  )

  t.test('clients that are idle, and transactions that take too long, end', async (t) => {
    const limits = new LimitSwitch()
    const url = await serve(t, stock, { limits })
    const idle = await connected(t, url)
    const ended = once(idle, 'error')
    limits.set({ clientIdleTimeoutMs: 200 })
    t.match(await ended, [{ code: '57P05', message: 'client_idle_timeout' }])
    limits.set({})
    const busy = await connected(t, url)
    await busy.query('BEGIN')
    await busy.query('SELECT pg_sleep(0.05)')
    const refused = busy.query('SELECT pg_sleep(300)')
    limits.set({ transactionTimeoutMs: 400 })
    await t.rejects(refused, { code: '25P04', message: 'transaction timeout' })
  })

  t.test('query_wait_timeout refuses the statement that waits', async (t) => {
    const limits = new LimitSwitch()
    const url = await serve(t, stock, { limits })
    const one = await connected(t, url)
    const other = await connected(t, url)
    await one.query('BEGIN; SELECT 1')
    limits.set({ acquireTimeoutMs: 300 })
    await t.rejects(other.query('SELECT 1'), { code: '53300', message: 'query_wait_timeout' })
    limits.set({})
    await one.query('COMMIT')
    await other.query('SELECT 1')
  })
})

t.test('clients that vanish', async (t) => {
  const stock = await stockPostgres(t)
  const url = await serve(t, stock)
  const watcher = await connected(t, stock)
  const work = async () => {
    const { rows } = await watcher.query(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(310)%' AND state = 'active' AND pid <> pg_backend_pid()`,
    )
    return rows.length
  }

  for (const [what, start] of [
    ['simple', (client: RawClient) => client.simple('SELECT pg_sleep(310)')],
    ['extended', (client: RawClient) => client.extended('SELECT pg_sleep(310)', [], 'text')],
    ['in a block', (client: RawClient) => client.simple('BEGIN; SELECT pg_sleep(310)')],
  ] as const) {
    t.test(`${what}: the query is cancelled, the server connection is kept`, async (t) => {
      const before = await connected(t, url)
      const pid = await pidOf(before)
      const gone = await RawClient.connect(url)
      start(gone).catch(() => undefined)
      await until('it runs', DEADLINE_MS, async () => (await work()) > 0)
      gone.destroy()
      await until('it is cancelled', DEADLINE_MS, async () => (await work()) === 0)
      t.equal(await pidOf(before), pid)
    })
  }
})

t.test('clients that vanish in the middle of many rows', async (t) => {
  const stock = await stockPostgres(t)
  const url = await serve(t, stock)
  const watcher = await connected(t, stock)
  await watcher.query('CREATE TABLE sink (x text)')
  const isOpen = async () => {
    const { rows } = await watcher.query(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend'
         AND (state <> 'idle' OR xact_start IS NOT NULL) AND pid <> pg_backend_pid()`,
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
      await until('it runs', DEADLINE_MS, isOpen)
      if (data !== '') gone.send(serialize.copyData(Buffer.from(data)))
      gone.destroy()
      await until('it ended', DEADLINE_MS, async () => !(await isOpen()))
      t.equal(await pidOf(before), pid)
      const { rows } = await before.query('SELECT count(*)::int AS count FROM sink')
      t.same(rows, [{ count: 0 }])
    })
  }
})

t.test('pool modes', async (t) => {
  const stock = await stockPostgres(t)

  t.test('session: a server connection until the client leaves, then cleaned', async (t) => {
    const url = await serve(t, stock, { pool: { mode: 'session' } })
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
    const client = await connected(t, await serve(t, stock, { pool: { mode: 'statement' } }))
    const message = 'transaction blocks not allowed in statement pooling mode'
    await t.rejects(client.query('BEGIN'), { code: '0A000', message })
    await client.query('SELECT 1')
  })
})
