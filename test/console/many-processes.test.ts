import t from 'tap'
import { until } from '../support/until.ts'
import { consoleWorld } from './console-world.ts'

/** Of the process with this number. */
function workerPid(log: readonly string[], processNumber: number): number {
  for (const line of log) {
    if (!line.includes('a worker process is ready')) continue
    const { process: number, pid } = JSON.parse(line) as { process: number; pid: number }
    if (number === processNumber) return pid
  }
  throw new Error(`no process ${processNumber}`)
}

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
  await t.test('and says who does not answer', async (t) => {
    const notices: string[] = []
    boss.on('notice', ({ message }) => notices.push(message ?? ''))
    // the console's own process is the one with this client
    const [own] = (await show('CLIENTS')).map(({ id }) => Number(id) % 1000)
    const other = own === 1 ? 2 : 1
    const pid = workerPid(world.proxy.log, other)
    const unanswered = async () => {
      const page = await (await fetch(`${world.proxy.httpUrl}/metrics`)).text()
      return /^pgloom_processes_unanswered (\d+)$/m.exec(page)?.[1]
    }
    await shown('an answer of both', async () => (await unanswered()) === '0')
    process.kill(pid, 'SIGSTOP')
    try {
      await show('POOLS')
      t.match(notices, [new RegExp(`process.* ${other}.* did not answer in time`)])
      t.not(await unanswered(), '0')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await shown('all of them again', async () => {
      notices.length = 0
      await show('POOLS')
      return notices.length === 0
    })
  })

  await boss.query('SHUTDOWN').catch(() => undefined)
  t.equal(await world.proxy.exited, 0)
})
