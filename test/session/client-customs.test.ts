import { once } from 'node:events'
import pg from 'pg'
import t from 'tap'
import { Log } from '../../lib/base/log.ts'
import { LimitSwitch, type LocalProxyOptions, localProxy } from '../support/local-proxy.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

const stock = await stockPostgres(t)

async function serve(t: Teardown, options: LocalProxyOptions, maxConnections = 2): Promise<string> {
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, maxConnections, undefined, options))
  return url.href
}

/** With all notices that it gets, from its login on. */
async function listening(t: Teardown, url: string) {
  const client = new pg.Client(url)
  const notices: string[] = []
  client.on('notice', ({ message }) => notices.push(message ?? ''))
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end().catch(() => undefined))
  return { client, notices }
}

async function rawClient(t: Teardown, url: string, parameters: Record<string, string>) {
  const client = await RawClient.connect(url, parameters)
  t.teardown(() => client.close())
  return client
}

t.test('login_notify_message is the first notice of a client', async (t) => {
  const url = await serve(t, { customs: { loginMessage: 'be kind' } })
  const { client, notices } = await listening(t, url)
  await client.query('SELECT 1')
  t.same(notices, ['be kind'])
})

t.test('query_wait_notify tells who waits, once', async (t) => {
  const limits = new LimitSwitch()
  const url = await serve(t, { limits }, 1)
  const one = await listening(t, url)
  const other = await listening(t, url)
  await one.client.query('BEGIN; SELECT 1')
  limits.set({ waitNotifyMs: 100 })
  const told = once(other.client, 'notice')
  const waiting = other.client.query('SELECT 2 AS x')
  await told
  await one.client.query('SELECT pg_sleep(0.3)')
  await one.client.query('COMMIT')
  t.equal((await waiting).rows[0]?.x, 2)
  t.same(other.notices, ['No server connection available in postgres backend, client being queued'])
  t.same(one.notices, [])
})

t.test('ignore_startup_parameters drops what the server does not know', async (t) => {
  const strict = await serve(t, {})
  await t.rejects(RawClient.connect(strict, { fancy: '1' }), { message: /42704.*"fancy"/ })
  const url = await serve(t, { customs: { ignoredParameters: new Set(['fancy', 'work_mem']) } })
  const client = await rawClient(t, url, { Fancy: '1', work_mem: '3MB' })
  t.equal(await client.value('SHOW work_mem'), '3MB', 'a setting that it knows holds')
  await client.run('RESET ALL')
  t.equal(await client.value('SHOW work_mem'), '3MB')
  await t.rejects(RawClient.connect(url, { other: '1' }), { message: /42704.*"other"/ })
})

t.test('application_name_add_host adds address and port', async (t) => {
  const url = await serve(t, { customs: { addsHostToApplicationName: true } })
  const client = await rawClient(t, url, { application_name: 'shop' })
  t.match(await client.value('SHOW application_name'), /^shop - 127\.0\.0\.1:\d+$/)
  const nameless = await rawClient(t, url, {})
  t.match(await nameless.value('SHOW application_name'), /^app - 127\.0\.0\.1:\d+$/)
})

t.test('the log tells of logins, ends and errors, each where it is asked for', async (t) => {
  const tell = async (isWanted: boolean) => {
    const lines: string[] = []
    const log = new Log('info', {}, (line) => lines.push(line))
    const customs = {
      logsConnections: isWanted,
      logsDisconnections: isWanted,
      logsErrors: isWanted,
    }
    const told = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    const ends = (count: number) =>
      until(`${count} ends`, DEADLINE_MS, async () => {
        return told().filter(({ msg }) => msg === 'client disconnected').length === count
      })
    const limits = new LimitSwitch()
    const url = await serve(t, { log, customs, limits })
    const polite = await RawClient.connect(url)
    polite.close()
    if (isWanted) await ends(1)
    const idle = await listening(t, url)
    const ended = once(idle.client, 'error')
    limits.set({ clientIdleTimeoutMs: 300 })
    await ended
    if (isWanted) await ends(2)
    return told().map(({ msg, reason }) => [msg, reason])
  }
  const told = await tell(true)
  t.same(new Set(told.map(String)).size, 4)
  const expected = [
    ['client connected', undefined],
    ['client disconnected', 'the client has gone'],
    ['session ended by an error', 'client_idle_timeout'],
    ['client disconnected', 'client_idle_timeout'],
  ]
  for (const line of expected)
    t.ok(
      told.some((one) => String(one) === String(line)),
      String(line),
    )
  t.same(await tell(false), [])
})
