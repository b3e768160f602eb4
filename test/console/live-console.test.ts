import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import type pg from 'pg'
import t from 'tap'
import { SHOWN_TABLES } from '../../lib/console/show-commands.ts'
import { until } from '../support/until.ts'
import { consoleWorld, SECRET } from './console-world.ts'

/** Debian's interpreter has Debian's drivers. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

const DEADLINE_MS = 60_000

const run = promisify(execFile)

async function refusal(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'none',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

/** The rows of a SHOW, by the simple protocol. */
async function show(console: pg.Client, what: string): Promise<Record<string, unknown>[]> {
  return (await console.query<Record<string, unknown>>(`SHOW ${what};`)).rows
}

t.test('the console', async (t) => {
  const world = await consoleWorld(t)
  const boss = await world.client('boss', 'pgbouncer')
  const watcher = await world.client('watcher', 'pgloom')
  const app = await world.client('app', 'app')

  t.test('only its users are let in', async (t) => {
    t.equal(await refusal(world.client('app', 'pgbouncer')), 'not allowed')
    t.equal(await refusal(watcher.query('PAUSE')), 'admin access needed')
    t.equal((await show(watcher, 'VERSION')).length, 1)
  })

  t.test('psql reads every table, with comments and semicolons', async (t) => {
    for (const what of SHOWN_TABLES.keys()) {
      const text = `/* all */ show ${what}; -- of it`
      const { stdout } = await run('psql', ['-X', '-c', text, world.url('boss', 'pgbouncer')])
      t.match(stdout, /\(\d+ rows?\)/, what)
      t.notMatch(stdout, SECRET, `${what} shows no secret [CVE-2023-22332]`)
    }
  })

  t.test('node-postgres reads every table by the extended protocol', async (t) => {
    for (const what of SHOWN_TABLES.keys()) {
      const query = { name: `show ${what}`, text: `SHOW ${what}`, values: [] }
      const { fields } = await boss.query(query)
      const names = Object.keys(SHOWN_TABLES.get(what)?.columns ?? {})
      t.same(
        fields.map(({ name }) => name),
        names,
        what,
      )
    }
    t.equal((await boss.query('SHOW STATE', [])).rows.length, 3)
    t.equal(
      await refusal(boss.query('SHOW NOTHING', [])),
      "invalid command 'SHOW NOTHING', use SHOW HELP;",
    )
    t.equal((await boss.query('SHOW STATE', [])).rows.length, 3, 'and goes on after an error')
  })

  t.test('psycopg reads it, in binary too', async (t) => {
    const script = `
import psycopg, sys
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    print(c.execute("SHOW LISTS").fetchall()[0][0])
    row = c.execute("SHOW STATS_TOTALS", prepare=True, binary=True).fetchone()
    print(type(row[1]).__name__, c.execute("SHOW MEM", binary=True).fetchone()[1])
`
    await app.query('SELECT 1')
    const python = run(PYTHON, ['-c', script, world.url('watcher', 'pgbouncer')])
    const said = await python.catch((error: unknown) => {
      const { stderr = '' } = error as { stderr?: string }
      if (stderr.includes("No module named 'psycopg'")) return undefined
      throw error
    })
    if (said === undefined) t.pass('SKIPPED: install python3-psycopg')
    else t.equal(said.stdout, 'databases\nDecimal 1\n')
  })

  t.test('counts what clients do', async (t) => {
    const counts = async () => {
      const [row = {}] = await show(boss, 'STATS_TOTALS')
      return ['xact_count', 'query_count', 'bind_count', 'client_parse_count', 'bytes_sent'].map(
        (name) => Number(row[name]),
      )
    }
    const before = await counts()
    await app.query('SELECT 1')
    await app.query('BEGIN')
    await app.query('SELECT 2')
    await app.query('COMMIT')
    await app.query({ name: 'one', text: 'SELECT $1::int', values: [1] })
    await refusal(app.query('SELECT 1/0'))
    const after = await counts()
    const [xacts, queries, binds, parses, bytes] = after.map((one, i) => one - (before[i] ?? 0))
    t.same([xacts, queries, binds, parses], [4, 6, 1, 1])
    t.ok(Number(bytes) > 100)
  })

  t.test('PAUSE waits for transactions and holds new work; RESUME lets it go on', async (t) => {
    await app.query('BEGIN')
    await app.query('SELECT 1')
    let isPaused = false
    const pause = boss.query('PAUSE app').then(() => {
      isPaused = true
    })
    await until(
      'pause',
      DEADLINE_MS,
      async () => (await show(watcher, 'DATABASES'))[0]?.['paused'] === 1,
    )
    t.equal((await app.query('SELECT 2 AS n')).rows[0].n, 2, 'the transaction goes on')
    t.equal(isPaused, false)
    await app.query('COMMIT')
    await pause
    t.same(await show(watcher, 'SERVERS'), [])
    const held = app.query('SELECT 3 AS n')
    const waiting = async () => (await show(watcher, 'POOLS'))[0]?.['cl_waiting'] === 1
    await until('a waiting client', DEADLINE_MS, waiting)
    t.equal(await refusal(boss.query('RESUME other')), 'database other is not paused')
    await boss.query('RESUME app')
    t.equal((await held).rows[0].n, 3)
  })

  t.test('KILL_CLIENT, KILL, DISABLE and RECONNECT', async (t) => {
    const victim = await world.client('app', 'app')
    const clients = await show(boss, 'CLIENTS')
    const ids = clients.filter(({ database }) => database === 'app').map(({ id }) => Number(id))
    const gone = refusal(victim.query('SELECT pg_sleep(600)'))
    await boss.query(`KILL_CLIENT ${Math.max(...ids)}`)
    t.match(await gone, /admin forced disconnect|terminated/)
    t.equal(await refusal(boss.query('KILL_CLIENT 99999')), 'client not found')

    await boss.query('DISABLE app')
    t.equal(await refusal(world.client('app', 'app')), 'database "app" is disabled')
    await boss.query('ENABLE app')
    const other = await world.client('app', 'app')

    const pid = async () => (await other.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
    const before = await pid()
    await boss.query('RECONNECT app')
    await boss.query('WAIT_CLOSE app')
    t.not(await pid(), before)

    await boss.query('KILL app')
    t.same(await show(boss, 'SERVERS'), [])
    t.match(await refusal(other.query('SELECT 1')), /./)
    await boss.query('RESUME app')
    t.equal((await (await world.client('app', 'app')).query('SELECT 1 AS n')).rows[0].n, 1)
  })

  t.test('SHOW PINS says why, and for how long', async (t) => {
    const pinned = await world.client('app', 'app')
    await pinned.query('CREATE TEMP TABLE mine (a int)')
    const [pin = {}] = await show(watcher, 'PINS')
    t.match(pin, { database: 'app', user: 'app', reason: 'temporary table', state: 'idle' })
    t.match(String(pin['node']), /:\d+$/)
    t.ok(Number(pin['age']) < 60)
  })

  t.test('SET holds until RELOAD', async (t) => {
    const value = async () =>
      (await show(boss, 'CONFIG')).find(({ key }) => key === 'query_wait_timeout')?.['value']
    await boss.query('SET query_wait_timeout = 7')
    t.equal(await value(), '7')
    t.equal(await refusal(boss.query("SET pool_mode = 'nonsense'")), 'SET failed')
    t.equal(await refusal(boss.query('SET listen_port = 1')), 'SET failed')
    await boss.query('RELOAD')
    t.equal(await value(), '120')
  })

  t.test('SUSPEND stops reading, RESUME goes on', async (t) => {
    const late = await world.client('app', 'app')
    await boss.query('SUSPEND')
    t.equal((await show(boss, 'STATE'))[2]?.['value'], 'yes')
    const held = late.query('SELECT 1 AS n')
    t.equal(await refusal(boss.query('PAUSE')), 'already suspended/paused')
    await boss.query('RESUME')
    t.equal((await held).rows[0].n, 1)
  })

  t.test('SHUTDOWN ends the process', async (t) => {
    await refusal(boss.query('SHUTDOWN'))
    t.equal(await world.proxy.exited, 0)
  })
})
