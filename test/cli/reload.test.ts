import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { PgloomProcess } from '../support/pgloom-process.ts'
import { temporaryDirectory, testCluster } from '../support/postgres-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000

type Ini = { readonly databases: string; readonly settings?: string; readonly users?: string }

t.test('pgloom serve with a pgbouncer.ini', async (t) => {
  const { nodes } = await testCluster(t, 0)
  const [server] = nodes
  if (server === undefined) throw new Error('no server')
  const address = `host=${server.host} port=${server.port}`
  const directory = temporaryDirectory(t)
  const file = join(directory, 'pgbouncer.ini')
  const usersFile = join(directory, 'userlist.txt')
  writeFileSync(usersFile, '"app" "secret"\n"other" "hidden"\n')

  const write = ({ databases, settings = '', users = '' }: Ini) => {
    const fixed = `listen_addr = 127.0.0.1\nlisten_port = 0\nunix_socket_dir =\nauth_file = ${usersFile}`
    const auth = 'auth_type = scram-sha-256\nlogfile = /tmp/x.log\npool_mode = transaction'
    const sections = `[databases]\n${databases}\n[users]\n${users}\n[pgbouncer]\n`
    writeFileSync(file, `${sections}${fixed}\n${auth}\n${settings}\n`)
  }
  write({ databases: `shop = ${address} dbname=app\nforced = ${address} dbname=app user=app` })
  const proxy = await PgloomProcess.start({ args: ['serve', file, '--processes', '1'] })
  t.teardown(() => proxy.stop().then(() => undefined))

  const connect = async (database: string, user = 'app', password = 'secret') => {
    const client = new pg.Client({ host: '127.0.0.1', port: proxy.port, database, user, password })
    client.on('error', () => undefined)
    await client.connect()
    t.teardown(() => client.end().catch(() => undefined))
    return client
  }
  const logged = (text: string) => proxy.log.filter((line) => line.includes(text)).length
  const reloaded = async (text: string) => {
    const before = logged(text)
    process.kill(proxy.pid, 'SIGHUP')
    await until(text, DEADLINE_MS, async () => logged(text) > before)
  }
  const first = async (client: pg.Client, sql: string) => {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return rows[0]?.[0]
  }

  t.test('warns of what has no effect', async (t) => {
    t.equal(logged('logfile is not supported'), 1)
  })

  t.test('serves its users, under its names of databases', async (t) => {
    const client = await connect('shop')
    t.equal(await first(client, 'SELECT current_database()'), 'app')
    t.equal(
      await first(client, 'SELECT count(*)::int FROM pg_namespace WHERE nspname = $$pgloom$$'),
      0,
    )
    await t.rejects(connect('shop', 'app', 'wrong'), { code: '28P01' })
    await t.rejects(connect('nowhere'), { code: '3D000' })
  })

  t.test('logs in to the server as the forced user', async (t) => {
    const client = await connect('forced', 'other', 'hidden')
    t.equal(await first(client, 'SELECT current_user'), 'app')
  })

  t.test('keeps min_pool_size of a forced user without any client', async () => {
    const shop = await connect('shop')
    const warm = `${address} dbname=app user=app min_pool_size=2 application_name=warm`
    const others = `shop = ${address} dbname=app\nforced = ${address} dbname=app user=app`
    write({ databases: `${others}\nwarm = ${warm}` })
    await reloaded('the configuration was reloaded')
    const count = `SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'warm'`
    await until('there are two', DEADLINE_MS, async () => (await first(shop, count)) === 2)
  })

  t.test('reloads under traffic, and drops nobody', async (t) => {
    const clients = await Promise.all(['shop', 'shop', 'forced'].map((name) => connect(name)))
    const idle = await connect('shop')
    await idle.query('BEGIN')
    let isOver = false
    let queries = 0
    const traffic = clients.map(async (client) => {
      while (!isOver) {
        t.equal(await first(client, 'SELECT 1'), 1)
        queries++
      }
    })
    for (const size of [3, 4, 5]) {
      const before = queries
      write({
        databases: `shop = ${address} dbname=app pool_size=${size}\nnew = ${address} dbname=postgres`,
        settings: 'max_client_conn = 50',
      })
      await reloaded('the configuration was reloaded')
      await until('traffic', DEADLINE_MS, async () => queries > before + 10)
    }
    t.equal(await first(await connect('new'), 'SELECT current_database()'), 'postgres')
    await t.rejects(connect('forced'), { code: '3D000' }, 'which has been removed')
    isOver = true
    await Promise.all(traffic)
    t.equal(await first(idle, 'SELECT 2'), 2)
    await idle.query('COMMIT')
  })

  t.test('goes on as before when the file is wrong', async (t) => {
    writeFileSync(file, '[databases]\nshop = host=h prot=1\n')
    await reloaded('was not reloaded')
    t.match(proxy.log.join('\n'), 'unknown key prot; did you mean port?')
    t.equal(await first(await connect('shop'), 'SELECT 3'), 3)
  })

  t.test('tells which keys need a restart', async (t) => {
    write({ databases: `shop = ${address} dbname=app`, settings: 'listen_backlog = 7' })
    await reloaded('"keys":["listen.backlog"]')
    const line = proxy.log.find((one) => one.includes('"keys":["listen.backlog"]'))
    t.match(line, 'take effect after a restart only')
  })

  t.test('takes another user list', async (t) => {
    writeFileSync(usersFile, '"app" "changed"\n')
    await reloaded('the configuration was reloaded')
    await t.rejects(connect('shop'), { code: '28P01' })
    t.equal(await first(await connect('shop', 'app', 'changed'), 'SELECT 4'), 4)
  })

  t.test('is checked by pgloom check', async (t) => {
    write({ databases: `shop = ${address} dbname=app\nbad = ${address} dbname=nowhere user=app` })
    const check = await PgloomProcess.start({ args: ['check', file], expectExit: true })
    t.equal(await check.closed, 1)
    t.match(check.stdout, /warning: .*pgbouncer.ini:\d+: logfile is not supported/)
    t.match(check.stdout, /ok: database shop on \S+ as user app: Postgres \d+/)
    t.match(
      check.stdout,
      /error: database bad on \S+ as user app: database "nowhere" does not exist/,
    )
  })
})
