import t from 'tap'
import { until } from '../support/until.ts'
import { consoleWorld } from './console-world.ts'

const CLIENTS = 6
const DEADLINE_MS = 60_000

t.test('one console speaks for all processes', async (t) => {
  const world = await consoleWorld(t, 2)
  const boss = await world.client('boss', 'pgbouncer')
  const apps = await Promise.all(Array.from({ length: CLIENTS }, () => world.client('app', 'app')))
  await Promise.all(apps.map((app) => app.query('SELECT 1')))

  const show = async (what: string) => (await boss.query(`SHOW ${what}`)).rows
  // a process that takes more than two seconds to answer is left out of what is shown
  const shown = <T>(what: string, see: () => Promise<T | undefined | false>) =>
    until(what, DEADLINE_MS, see)
  const appClients = async () =>
    (await show('CLIENTS')).filter(({ database }) => database === 'app')
  const clients = await shown('all clients', async () => {
    const found = await appClients()
    return found.length === CLIENTS && found
  })
  const ids = clients.map(({ id }) => Number(id))
  t.equal(new Set(ids).size, CLIENTS, 'ids are unique')
  t.same([...new Set(ids.map((id) => id % 1000))].sort(), [1, 2], 'and clients of both processes')
  const totals = await shown('all logins', async () => {
    const [row] = await show('STATS_TOTALS')
    return Number(row?.client_login_count) === CLIENTS && row
  })
  t.equal(Number(totals.query_count), CLIENTS)

  await boss.query('PAUSE app')
  t.same(await show('SERVERS'), [])
  const held = Promise.all(apps.map((app) => app.query('SELECT 2 AS n')))
  await boss.query('RESUME app')
  t.same(
    (await held).map(({ rows }) => rows[0].n),
    Array(CLIENTS).fill(2),
  )

  for (const id of ids) await boss.query(`KILL_CLIENT ${id}`)
  await shown('none of them', async () => (await appClients()).length === 0)

  await boss.query('SET query_wait_timeout = 9')
  const settings = await show('CONFIG')
  t.equal(settings.find(({ key }) => key === 'query_wait_timeout').value, '9')
  await boss.query('SHUTDOWN').catch(() => undefined)
  t.equal(await world.proxy.exited, 0)
})
