import { readFileSync, writeFileSync } from 'node:fs'
import pg from 'pg'
import t from 'tap'
import { processNumberOf } from '../../lib/session/client/cancel-keys.ts'
import { cancelProcessId, clientOf, ServeOneServer } from '../support/serve-one-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000
const SETTINGS = `listen: { port: 0, max_client_conn: 30 }
console: { admin_users: [boss] }
pool: { default_pool_size: 4, min_pool_size: 0 }
`

t.test('a reload holds in all workers, and drops nobody', async (t) => {
  const world = await ServeOneServer.start(t, SETTINGS)
  const proxy = await world.serve('--processes', '2')
  const settled = await Promise.all(Array.from({ length: 8 }, () => clientOf(t, proxy.url)))
  const numberOf = (client: pg.Client) => processNumberOf(cancelProcessId(client))
  t.same(new Set(settled.map(numberOf)), new Set([1, 2]))
  const everyoneWorks = () =>
    Promise.all(settled.map((client) => client.query('SELECT pg_sleep(0.02)')))
  await everyoneWorks()
  const change = (from: string, to: string) => {
    const text = readFileSync(world.configFile, 'utf8')
    t.ok(text.includes(from))
    writeFileSync(world.configFile, text.replace(from, to))
  }
  /** What newcomers are told, by the worker that has them. */
  const greetings = async (): Promise<Map<number, string>> => {
    const heard = new Map<number, string>()
    const visitors = Array.from({ length: 4 }, async () => {
      const visitor = new pg.Client(proxy.url)
      visitor.on('error', () => undefined)
      let said = ''
      visitor.on('notice', ({ message }) => {
        said = message ?? ''
      })
      await visitor.connect()
      await visitor.query('SELECT 1')
      heard.set(numberOf(visitor), said)
      await visitor.end()
    })
    await Promise.all(visitors)
    return heard
  }
  const saying = (text: string) =>
    until(`all workers say ${text}`, DEADLINE_MS, async () => {
      const heard = await greetings()
      return heard.size === 2 && [...heard.values()].every((said) => said === text)
    })

  change('max_client_conn: 30 }', 'max_client_conn: 30, login_notify_message: one }')
  change('default_pool_size: 4', 'default_pool_size: 2')
  process.kill(proxy.pid, 'SIGHUP')
  await saying('one')
  await everyoneWorks()
  await until('the smaller pool holds over all', DEADLINE_MS, async () => {
    await everyoneWorks()
    return (await world.connections()) <= 2
  })

  const boss = new pg.Client(proxy.url.replace('app@', 'boss@').replace(/\/app$/, '/pgbouncer'))
  boss.on('error', () => undefined)
  await boss.connect()
  t.teardown(() => boss.end().catch(() => undefined))
  change('login_notify_message: one', 'login_notify_message: two')
  await boss.query('RELOAD')
  await saying('two')

  change('default_pool_size: 2', 'default_pool_size: none')
  await t.rejects(boss.query('RELOAD'))
  await saying('two')
  await everyoneWorks()

  // a worker that takes more than two seconds to answer is left out
  await until('statistics are summed over all workers', DEADLINE_MS, async () => {
    const { rows } = await boss.query('SHOW STATS_TOTALS')
    return Number(rows[0]?.client_login_count) >= 8 + 12
  })
})
