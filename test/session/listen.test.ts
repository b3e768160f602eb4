import pg from 'pg'
import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

type Heard = { readonly channel: string; readonly payload: string; readonly processId: number }

class ListeningClient {
  readonly heard: Heard[] = []
  readonly client: pg.Client
  error: { code?: string; message: string } | undefined

  constructor(url: string) {
    this.client = new pg.Client({ connectionString: url })
    this.client.on('notification', ({ channel, payload = '', processId }) => {
      this.heard.push({ channel, payload, processId })
    })
    this.client.on('error', (error) => {
      this.error ??= error
    })
  }

  static async connect(t: Teardown, url: string): Promise<ListeningClient> {
    const one = new ListeningClient(url)
    await one.client.connect()
    t.teardown(() => one.client.end().catch(() => undefined))
    return one
  }

  async run(sql: string): Promise<unknown[]> {
    const result = await this.client.query({ text: sql, rowMode: 'array' })
    return Array.isArray(result) ? [] : (result.rows[0] ?? [])
  }

  get payloads(): string[] {
    return this.heard.map(({ payload }) => payload)
  }

  async hears(count: number): Promise<string[]> {
    await until(`${count} notifications`, DEADLINE_MS, async () => this.heard.length >= count)
    return this.payloads
  }
}

/** Many sessions, two server connections. */
async function world(t: Teardown) {
  const stock = await stockPostgres(t)
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 2))
  return { stock, connect: () => ListeningClient.connect(t, url.href) }
}

t.test('notifications reach all who listen, in order, with payload and sender', async (t) => {
  const { connect, stock } = await world(t)
  const listeners = [await connect(), await connect(), await connect(), await connect()]
  for (const one of listeners) await one.run('LISTEN news')
  const sender = await ListeningClient.connect(t, stock)
  const [pid] = await sender.run('SELECT pg_backend_pid()')
  for (const payload of ['a', 'b', 'c']) await sender.run(`NOTIFY news, '${payload}'`)
  await sender.run(`NOTIFY "other", 'x'`)
  for (const one of listeners) {
    t.same(await one.hears(3), ['a', 'b', 'c'])
    t.equal(one.heard[0]?.processId, pid)
  }
  const [mine, others] = [listeners[0], listeners[1]]
  await mine?.run('UNLISTEN news')
  await sender.run("NOTIFY news, 'd'")
  t.same(await others?.hears(4), ['a', 'b', 'c', 'd'])
  t.same(mine?.payloads, ['a', 'b', 'c'])
})

t.test('a client hears itself before its statement has ended', async (t) => {
  const { connect } = await world(t)
  const one = await connect()
  await one.run('LISTEN a')
  await one.run("NOTIFY a, 'simple'")
  t.same(one.payloads, ['simple'])
  await one.client.query("SELECT pg_notify('a', $1)", ['extended'])
  t.same(one.payloads, ['simple', 'extended'])
  await one.run("LISTEN b; NOTIFY b, 'script'")
  t.same(one.payloads, ['simple', 'extended', 'script'])
})

t.test('LISTEN and UNLISTEN take effect at commit', async (t) => {
  const { connect } = await world(t)
  const one = await connect()
  const two = await connect()
  await one.run('BEGIN; LISTEN a')
  await two.run("NOTIFY a, 'too early'")
  await one.run("NOTIFY a, 'of the same transaction'")
  await one.run('COMMIT')
  await two.run("NOTIFY a, 'late'")
  t.same(await one.hears(2), ['of the same transaction', 'late'])

  await one.run('BEGIN; LISTEN b; ROLLBACK')
  await one.run(
    'BEGIN; SAVEPOINT s; LISTEN c; ROLLBACK TO s; LISTEN d; SAVEPOINT u; UNLISTEN *; ROLLBACK TO u; COMMIT',
  )
  for (const channel of ['b', 'c', 'd', 'a']) await two.run(`NOTIFY ${channel}, '${channel}'`)
  t.same((await one.hears(4)).slice(2), ['d', 'a'])

  await one.run('BEGIN; UNLISTEN *')
  await two.run("NOTIFY a, 'inside'")
  t.same(one.payloads.length, 4, 'nothing comes inside a transaction')
  await one.run('ROLLBACK')
  t.same((await one.hears(5)).at(-1), 'inside')
  await one.run('UNLISTEN *')
  await two.run("NOTIFY a, 'deaf'")
  await one.run('LISTEN z')
  await two.run("NOTIFY z, 'last'")
  t.same((await one.hears(6)).slice(5), ['last'])
  await one.run('DISCARD ALL')
  await two.run("NOTIFY z, 'deaf'")
  await one.run('SELECT 1')
  t.same(one.payloads.length, 6)
})

t.test('listening keeps no connection of the pool', async (t) => {
  const { connect } = await world(t)
  const listeners = []
  for (let index = 0; index < 6; index++) {
    const one = await connect()
    await one.run('LISTEN a')
    listeners.push(one)
  }
  t.equal((await Promise.all(listeners.map((one) => one.run('SELECT 1')))).length, 6)
  const last = await connect()
  await t.rejects(last.run("BEGIN; LISTEN q; PREPARE TRANSACTION 'x'"), { code: '0A000' })
})

t.test('who may have missed a notification is told so', async (t) => {
  const { connect, stock } = await world(t)
  const [one, silent] = [await connect(), await connect()]
  await one.run('LISTEN a')
  const admin = await ListeningClient.connect(t, stock.replace('app@', 'postgres@'))
  await admin.run(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND query IN ('', 'LISTEN "a"')`)
  await until('the error', DEADLINE_MS, async () => one.error !== undefined)
  t.match(one.error?.message, /listened for this session was lost/)
  await silent.run('LISTEN a')
  await silent.run("NOTIFY a, 'again'")
  t.same(silent.payloads, ['again'], 'others go on')
})
