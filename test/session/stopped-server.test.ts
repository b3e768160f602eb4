import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import pg from 'pg'
import t from 'tap'
import { DEFAULT_CONNECTION_LIMITS } from '../../lib/backend/backend-connection.ts'
import { freePort } from '../../lib/embedded/free-port.ts'
import { LimitSwitch, type LocalProxyOptions, localProxy } from '../support/local-proxy.ts'
import { referencePostgres } from '../support/postgres-cluster.ts'
import type { Teardown } from '../support/stock-postgres.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

type Server = { readonly host: string; readonly port: number }

function proxyTo(t: Teardown, server: Server, options: LocalProxyOptions): Promise<number> {
  return localProxy(t, server, undefined, 1, undefined, options)
}

async function clientAt(t: Teardown, port: number): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'app', database: 'app' })
  client.on('error', () => undefined)
  t.teardown(() => client.end().catch(() => undefined))
  await client.connect()
  return client
}

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid
}

t.test('a server process that has stopped', async (t) => {
  const server = await referencePostgres(t)
  const connectionLimits = { ...DEFAULT_CONNECTION_LIMITS, cancelTimeoutMs: 200 }
  const proxyWith = (t: Teardown, limits: LimitSwitch) =>
    proxyTo(t, server, { pool: { connectionLimits }, limits, abandonMs: 300 })

  /** Its server process stops; goes on with the test's end. */
  const stop = async (t: Teardown, client: pg.Client): Promise<number> => {
    const pid = await pidOf(client)
    process.kill(pid, 'SIGSTOP')
    t.teardown(() => void process.kill(pid, 'SIGCONT'))
    return pid
  }

  const statements: Readonly<Record<string, (client: pg.Client) => Promise<unknown>>> = {
    'a simple statement': (client) => client.query('SELECT 1'),
    'an extended statement': (client) => client.query('SELECT $1::int', [1]),
    'a statement of its own connection': (client) => client.query('CREATE TABLE nothing ()'),
  }
  for (const [what, run] of Object.entries(statements)) {
    t.test(`${what}: query_timeout ends it, and the next one gets another`, async (t) => {
      const limits = new LimitSwitch()
      const client = await clientAt(t, await proxyWith(t, limits))
      const other = await clientAt(t, await proxyWith(t, new LimitSwitch()))
      const pid = await stop(t, client)
      limits.set({ queryTimeoutMs: 300 })
      await t.rejects(run(client), { code: '08006', message: 'the server does not answer' })
      limits.set({})
      t.not(await pidOf(client), pid)
      t.ok(await pidOf(other), 'others do not notice')
    })
  }

  t.test('a transaction: it fails, and its client may begin anew', async (t) => {
    const limits = new LimitSwitch()
    const client = await clientAt(t, await proxyWith(t, limits))
    await client.query('BEGIN')
    await stop(t, client)
    limits.set({ queryTimeoutMs: 300 })
    await t.rejects(client.query('SELECT 1'), { code: '08006' })
    limits.set({})
    await client.query('ROLLBACK')
    await client.query('SELECT 1')
  })

  t.test('asked what a session holds: its client hears of it, others get its place', async (t) => {
    const connectionLimits = { ...DEFAULT_CONNECTION_LIMITS, questionTimeoutMs: 300 }
    const port = await proxyTo(t, server, { pool: { connectionLimits } })
    const [client, waiting] = [await clientAt(t, port), await clientAt(t, port)]
    const ended = new Promise<void>((resolve) => client.once('end', resolve))
    await client.query('CREATE TEMP TABLE held ()')
    const { host, port: serverPort } = server
    const admin = new pg.Client({ host, port: serverPort, user: 'postgres', database: 'app' })
    await admin.connect()
    t.teardown(() => admin.end())
    // what only the question reads
    await admin.query('BEGIN; LOCK TABLE pg_catalog.pg_depend')
    await client.query('SELECT pg_advisory_lock(7)')
    await t.rejects(client.query('SELECT 1'), { code: '08006' })
    await ended
    await until('its slot is free', DEADLINE_MS, async () => pidOf(waiting))
  })

  for (const how of ['politely', 'by dying'] as const) {
    t.test(`a client that leaves ${how} does not keep its connection`, async (t) => {
      const port = await proxyWith(t, new LimitSwitch())
      const [client, waiting] = [await clientAt(t, port), await clientAt(t, port)]
      await client.query('BEGIN')
      await stop(t, client)
      const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } })
        .connection
      if (how === 'politely') void client.end().catch(() => undefined)
      else stream.destroy()
      await until('its slot is free', DEADLINE_MS, async () => pidOf(waiting))
    })
  }
})

t.test('a server that accepts and says nothing', async (t) => {
  const mute = createServer((socket) => socket.on('error', () => undefined))
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const { port } = mute.address() as { port: number }
  t.teardown(() => void mute.close())
  const server = { host: '127.0.0.1', port }

  t.test(
    'server_connect_timeout refuses who waits; who comes then is refused at once',
    async (t) => {
      const pool = { connectTimeoutMs: 200, loginRetryMs: 60_000 }
      const proxy = await proxyTo(t, server, { pool })
      const refusal = { code: '08006', message: /timed out connecting/ }
      await t.rejects(Promise.all([clientAt(t, proxy), clientAt(t, proxy)]), refusal)
      const again = await Promise.allSettled([1, 2, 3, 4, 5].map(() => clientAt(t, proxy)))
      for (const { status } of again) t.equal(status, 'rejected')
    },
  )

  t.test('client_login_timeout refuses who waits for it to log in', async (t) => {
    const proxy = await proxyTo(t, server, { loginTimeoutMs: 300 })
    await t.rejects(clientAt(t, proxy), { code: '08P01', message: 'client_login_timeout' })
  })
})

t.test('a server that is not there: clients hear of it at once, and of its return', async (t) => {
  const port = await freePort()
  const proxy = await proxyTo(t, { host: '127.0.0.1', port }, { pool: { loginRetryMs: 200 } })
  await t.rejects(clientAt(t, proxy), { code: '08006', message: /ECONNREFUSED/ })
  const real = await referencePostgres(t)
  const relay = createServer((socket) => {
    const upstream = connect(real.port, real.host)
    socket.pipe(upstream).pipe(socket)
    socket.on('error', () => upstream.destroy())
    upstream.on('error', () => socket.destroy())
  })
  relay.listen(port, '127.0.0.1')
  await once(relay, 'listening')
  t.teardown(() => void relay.close())
  const client = await until('it is back', DEADLINE_MS, () => clientAt(t, proxy))
  t.ok(await pidOf(client))
})
