import pg from 'pg'
import t from 'tap'
import { until } from '../support/until.ts'
import { type ConsoleWorld, consoleWorld } from './console-world.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

async function isRefused({ url }: ConsoleWorld): Promise<boolean> {
  const visitor = new pg.Client(url('app', 'app'))
  visitor.on('error', () => undefined)
  return await visitor.connect().then(
    () => visitor.end().then(() => false),
    () => true,
  )
}

for (const processes of [1, 2]) {
  t.test(`SHUTDOWN WAIT_FOR_CLIENTS, ${processes} processes: whoever is here stays`, async (t) => {
    const world = await consoleWorld(t, processes)
    const boss = await world.client('boss', 'pgbouncer')
    const apps = [await world.client('app', 'app'), await world.client('app', 'app')]
    await boss.query('SHUTDOWN WAIT_FOR_CLIENTS')
    await until('nobody new is let in', DEADLINE_MS, () => isRefused(world))
    for (const app of apps) {
      t.equal((await app.query('SELECT 1 AS n')).rows[0]?.n, 1)
      await app.query('BEGIN')
      t.equal((await app.query('SELECT 2 AS n')).rows[0]?.n, 2)
      await app.query('COMMIT')
    }
    t.equal(world.proxy.child.exitCode, null)
    for (const app of apps) await app.end()
    await boss.end()
    t.equal(await world.proxy.exited, 0)
  })

  t.test(`SHUTDOWN WAIT_FOR_SERVERS, ${processes} processes: transactions end first`, async (t) => {
    const world = await consoleWorld(t, processes)
    const boss = await world.client('boss', 'pgbouncer')
    const app = await world.client('app', 'app')
    await app.query('BEGIN')
    await app.query('SELECT 1')
    // its answer may come before the end or not at all
    const asked = boss.query('SHUTDOWN WAIT_FOR_SERVERS').catch(() => undefined)
    await until('it is known', DEADLINE_MS, async () => {
      const state = await world.client('boss', 'pgbouncer').then(
        async (other) => (await other.query('SHOW STATE')).rows,
        () => 'refused',
      )
      return state === 'refused' || state[1]?.value === 'yes'
    })
    t.equal((await app.query('SELECT 2 AS n')).rows[0]?.n, 2)
    await app.query('COMMIT')
    t.equal(await world.proxy.exited, 0)
    await asked
  })
}
