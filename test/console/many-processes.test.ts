import t from 'tap'
import { consoleWorld } from './console-world.ts'

const CLIENTS = 6

t.test('one console speaks for all processes', async (t) => {
  const world = await consoleWorld(t, 2)
  const boss = await world.client('boss', 'pgbouncer')
  const apps = await Promise.all(Array.from({ length: CLIENTS }, () => world.client('app', 'app')))
  await Promise.all(apps.map((app) => app.query('SELECT 1')))

  const show = async (what: string) => (await boss.query(`SHOW ${what}`)).rows
  const clients = (await show('CLIENTS')).filter(({ database }) => database === 'app')
  t.equal(clients.length, CLIENTS)
  const ids = clients.map(({ id }) => Number(id))
  t.equal(new Set(ids).size, CLIENTS, 'ids are unique')
  t.same([...new Set(ids.map((id) => id % 1000))].sort(), [1, 2], 'and clients of both processes')
  const [totals] = await show('STATS_TOTALS')
  t.equal(Number(totals.client_login_count), CLIENTS)
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
  t.same(
    (await show('CLIENTS')).filter(({ database }) => database === 'app'),
    [],
  )

  await boss.query('SET query_wait_timeout = 9')
  const settings = await show('CONFIG')
  t.equal(settings.find(({ key }) => key === 'query_wait_timeout').value, '9')
  await boss.query('SHUTDOWN').catch(() => undefined)
  t.equal(await world.proxy.exited, 0)
})
