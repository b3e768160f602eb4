import dns from 'node:dns'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { equalsSecret } from '../../lib/auth/user-secret.ts'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { connectBackend } from '../../lib/backend/backend-handshake.ts'
import { query } from '../../lib/executor/node-client.ts'
import {
  writeCommandComplete,
  writeParameterStatus,
  writeReadyForQuery,
} from '../../lib/wire/backend-messages.ts'
import { writeNotice } from '../../lib/wire/error-messages.ts'
import { TransactionStatus } from '../../lib/wire/message-codes.ts'
import { NO_SERVER } from '../support/authentication.ts'
import { FakeBackend, type FakeScript } from '../support/fake-backend.ts'
import { localProxy } from '../support/local-proxy.ts'
import { referencePostgres } from '../support/postgres-cluster.ts'
import { projectPath } from '../support/project.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Teardown } from '../support/stock-postgres.ts'
import { testPool } from '../support/test-pool.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

/** What went wrong elsewhere, by CVE number or by project: a test's name begins with each. */
const CLASSES = [
  'CVE-2012-4575',
  'CVE-2015-6817',
  'CVE-2021-3935',
  'CVE-2021-23214',
  'CVE-2021-23222',
  'CVE-2023-22332',
  'CVE-2024-10977',
  'CVE-2024-45624',
  'CVE-2025-2291',
  'CVE-2025-12819',
  'CVE-2025-46801',
  'CVE-2026-6664',
  'CVE-2026-6665',
  'CVE-2026-6666',
  'CVE-2026-6667',
  'PgBouncer 1.15',
  'PgBouncer SHOW FDS',
  'PgBouncer #717',
  'PgBouncer #1181',
  'PgDog #876',
  'PgDog #1032',
  'PgDog #1228',
  'ProxySQL 3.0.12',
  'Multigres, hidden state',
  'Multigres, key hygiene',
  'Multigres, stale keys',
  'Multigres, slow client',
  'pgagroal #142',
  'doorman 3.10.5',
  'doorman 3.10.6',
  'doorman, permit leak',
  'doorman, inherited descriptors',
  'double release',
  'dirty idle server',
  'changed name',
]

/** With the line break that the formatter puts in front of a long one. */
const TITLE = /\.test\(\s*(['"`]).*\1/g

t.test('each class has a test with its name', async (t) => {
  const folder = projectPath('test')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const titles = files
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').match(TITLE) ?? [])
  for (const name of CLASSES) {
    t.ok(
      titles.some((title) => title.includes(name)),
      name,
    )
  }
})

async function connected(t: Teardown, script: FakeScript): Promise<BackendConnection> {
  const server = await FakeBackend.start(script)
  t.teardown(() => server.stop())
  return await connectTo(t, server.address.host, server.address.port)
}

async function connectTo(t: Teardown, host: string, port: number): Promise<BackendConnection> {
  const connection = await connectBackend({
    node: { nodeId: 1, host, port },
    database: 'd',
    user: 'u',
    credential: undefined,
    connectTimeoutMs: DEADLINE_MS,
    allowsCleartextPassword: false,
  })
  t.teardown(() => connection.close())
  return connection
}

t.test('CVE-2024-45624: what one user may read no other is shown, nor after REVOKE', async (t) => {
  const server = await referencePostgres(t)
  const { host, port } = server
  const admin = new pg.Client({ host, port, user: 'postgres', database: 'app' })
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query(`CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
    CREATE TABLE secrets AS SELECT 42 AS secret; GRANT SELECT ON secrets TO ann`)
  const proxy = await localProxy(t, server)
  const clientOf = async (user: string) => {
    const client = await RawClient.connect(`postgres://${user}@127.0.0.1:${proxy}/app`)
    t.teardown(() => client.close())
    return client
  }
  const [ann, bob] = [await clientOf('ann'), await clientOf('bob')]
  const sql = 'SELECT secret FROM secrets'
  const ways = [
    (client: RawClient) => client.simple(sql),
    (client: RawClient) => client.extended(sql, [], 'text'),
  ]
  for (const ask of ways) {
    // often enough to be known, and to go over a connection that is shared
    for (let round = 0; round < 10; round++) {
      t.same((await ask(ann)).results[0]?.rows, [['42']])
      t.match(await ask(bob), { results: [], error: { sqlState: '42501' } })
    }
  }
  await admin.query('REVOKE SELECT ON secrets FROM ann')
  for (const ask of ways) t.equal((await ask(ann)).error?.sqlState, '42501')
})

t.test('PgDog #1032: secrets are compared whole, whatever their lengths', async (t) => {
  t.ok(equalsSecret('md5abc', 'md5abc'))
  for (const given of ['', 'md5ab', 'md5abd', 'md5abcd', 'x'.repeat(100_000)]) {
    t.notOk(equalsSecret('md5abc', given))
  }
  const source = readFileSync(projectPath('lib', 'auth', 'user-secret.ts'), 'utf8')
  t.match(source, 'timingSafeEqual')
})

t.test('dirty idle server: what it says unasked is nobody’s answer', async (t) => {
  const connection = await connected(t, {
    onMessage: (session) =>
      session.send((out) => {
        writeCommandComplete(out, 'SELECT 0')
        writeReadyForQuery(out, TransactionStatus.idle)
        writeNotice(out, { severity: 'WARNING', message: 'for nobody' })
        writeParameterStatus(out, { name: 'TimeZone', value: 'Asia/Tokyo' })
      }),
  })
  for (let round = 0; round < 3; round++) t.equal((await query(connection, 'x')).tag, 'SELECT 0')
  await until('the setting is known', DEADLINE_MS, async () => {
    return connection.parameters.get('TimeZone') === 'Asia/Tokyo'
  })
  t.equal(connection.state, 'ready')
})

t.test('double release: who gives back twice gives one connection back', async (t) => {
  const pool = testPool({ maxConnections: 1 })
  const first = await pool.acquire()
  pool.release(first)
  pool.release(first)
  t.match(pool.stats, { idle: 1, busy: 0 })
  const second = await pool.acquire()
  t.equal(pool.acquireNow(), undefined, 'it is lent once')
  pool.release(second)
})

t.test('changed name: a host’s name is looked up for each connection', async (t) => {
  const server = await FakeBackend.start({})
  t.teardown(() => server.stop())
  const { lookup } = dns
  t.teardown(() => {
    dns.lookup = lookup
  })
  let lookups = 0
  const answer = (_: string, options: dns.LookupOptions, done: (...args: unknown[]) => void) => {
    const isGone = lookups++ > 0
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    if (isGone) done(error)
    else if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }])
    else done(null, '127.0.0.1', 4)
  }
  dns.lookup = answer as unknown as typeof dns.lookup
  const { port } = server.address
  t.equal((await connectTo(t, 'db.example', port)).state, 'ready')
  await t.rejects(connectTo(t, 'db.example', port), { message: /ENOTFOUND/ })
})

const SOCKETS = '/proc/net/tcp'
/** Of a socket that waits for nothing but the next probe. */
const KEEPALIVE_TIMER = '02'

t.test(
  'PgBouncer #1181: clients that have vanished are found, for they are probed',
  { skip: existsSync(SOCKETS) ? false : 'there is no such list of sockets' },
  async (t) => {
    const port = await localProxy(t, NO_SERVER)
    const client = connect(port, '127.0.0.1')
    t.teardown(() => {
      client.destroy()
    })
    await once(client, 'connect')
    const address = (number: number) =>
      `0100007F:${number.toString(16).toUpperCase().padStart(4, '0')}`
    const ends = `${address(port)} ${address(client.localPort ?? 0)}`
    await until('the timer of its probes runs', DEADLINE_MS, async () => {
      const line = readFileSync(SOCKETS, 'utf8')
        .split('\n')
        .find((one) => one.includes(ends))
      return line?.trim().split(/\s+/)[5]?.startsWith(`${KEEPALIVE_TIMER}:`) === true
    })
    t.pass('it is probed')
  },
)
