import { connect } from 'node:net'
import pg from 'pg'
import t from 'tap'
import { LimitSwitch, localProxy } from '../support/local-proxy.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'

t.setTimeout(600_000)

const WRITE = 'UPDATE counters SET n = n + 1 WHERE id = 1 RETURNING n'
const PREPARED = { name: 'write', text: 'UPDATE counters SET n = n + $1 WHERE id = 1 RETURNING n' }

/** A proxy with one server connection; the shapes of the statements are known to it. */
async function serve(t: Teardown, limits?: LimitSwitch): Promise<string> {
  const url = new URL(await stockPostgres(t))
  const server = { host: url.hostname, port: Number(url.port) }
  const options = limits === undefined ? {} : { limits }
  url.port = String(await localProxy(t, server, undefined, 1, undefined, options))
  const client = await connected(t, url.href)
  await client.query('CREATE TABLE counters (id int PRIMARY KEY, n int)')
  await client.query('INSERT INTO counters VALUES (1, 0)')
  for (const sql of [WRITE, 'UPDATE counters SET n = 0']) await client.query(sql)
  return url.href
}

async function connected(t: Teardown, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end().catch(() => undefined))
  return client
}

/** Holds the only server connection until it commits. */
async function holder(t: Teardown, url: string): Promise<pg.Client> {
  const client = await connected(t, url)
  await client.query('BEGIN')
  await client.query('SELECT 1')
  return client
}

async function writes(client: pg.Client): Promise<unknown> {
  return (await client.query<{ n: number }>(WRITE)).rows[0]?.n
}

async function writesPrepared(client: pg.Client): Promise<unknown> {
  return (await client.query<{ n: number }>(PREPARED, [1])).rows[0]?.n
}

t.test('statements that wait for a connection are served in turn', async (t) => {
  const url = await serve(t)
  const clients = await Promise.all(Array.from({ length: 6 }, () => connected(t, url)))
  for (const client of clients) await writesPrepared(client)
  await clients[1]?.query(`SET application_name = 'out of step'`)
  const held = await holder(t, url)
  const answers = clients.flatMap((client, index) =>
    index % 2 === 0 ? [writes(client)] : [writesPrepared(client), writes(client)],
  )
  await held.query('SELECT 1')
  await held.query('COMMIT')
  const numbers = (await Promise.all(answers)).map(Number).sort((one, other) => one - other)
  t.same(numbers, [7, 8, 9, 10, 11, 12, 13, 14, 15])
})

t.test('a block whose first statement waits', async (t) => {
  const url = await serve(t)
  const client = await connected(t, url)
  const held = await holder(t, url)
  await client.query('BEGIN')
  const written = writes(client)
  await held.query('ROLLBACK')
  t.equal(await written, 1)
  await client.query('ROLLBACK')
  t.equal(await writes(client), 1)
})

t.test('a waiting statement can be cancelled, and harms nobody', async (t) => {
  const url = await serve(t)
  const client = await connected(t, url)
  const held = await holder(t, url)
  let code: unknown
  const cancelled = writes(client).catch((error: unknown) => {
    code = error instanceof pg.DatabaseError ? error.code : error
  })
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  while (code === undefined) {
    await cancel(url, processID, secretKey)
    await held.query('SELECT 1')
  }
  await cancelled
  t.equal(code, '57014')
  await held.query('COMMIT')
  t.equal(await writes(client), 1)
})

t.test('doorman, permit leak: one who leaves while waiting leaves the queue', async (t) => {
  const url = await serve(t)
  const client = await connected(t, url)
  const gone = await connected(t, url)
  const held = await holder(t, url)
  const lost = writes(gone).catch(() => 'lost')
  const written = writes(client)
  await held.query('SELECT 1')
  await (
    gone as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy()
  t.equal(await lost, 'lost')
  await held.query('COMMIT')
  t.ok([1, 2].includes(Number(await written)))
  t.equal(Number(await writes(client)) > 1, true)
})

t.test('query_wait_timeout ends the wait', async (t) => {
  const limits = new LimitSwitch()
  const url = await serve(t, limits)
  const client = await connected(t, url)
  const held = await holder(t, url)
  limits.set({ acquireTimeoutMs: 300 })
  await t.rejects(writes(client), { code: '53300', message: 'query_wait_timeout' })
  limits.set({})
  await held.query('COMMIT')
  t.equal(await writes(client), 1)
})

/** As libpq does: a connection of its own. */
function cancel(url: string, processId: number, secretKey: number): Promise<void> {
  const { port, hostname } = new URL(url)
  const request = Buffer.alloc(16)
  ;[16, 80877102, processId, secretKey].forEach((value, index) => {
    request.writeInt32BE(value, 4 * index)
  })
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(request))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
  })
}
