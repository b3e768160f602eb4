import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import pg from 'pg'
import t from 'tap'
import { processNumberOf } from '../../lib/session/client/cancel-keys.ts'
import type { PgloomProcess } from '../support/pgloom-process.ts'
import { cancelProcessId, clientOf, ServeOneServer } from '../support/serve-one-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

/** Pids of the worker processes, by their numbers. */
function workersOf(proxy: PgloomProcess): Map<number, number> {
  const workers = new Map<number, number>()
  for (const line of proxy.log) {
    // the last words of a process that gives up are for people
    if (!line.startsWith('{')) continue
    const entry = JSON.parse(line) as { msg: string; process: number; pid: number }
    if (entry.msg === 'a worker process is ready') workers.set(entry.process, entry.pid)
  }
  return workers
}

function numberOf(client: pg.Client): number {
  return processNumberOf(cancelProcessId(client))
}

/** Queries until it is told to end or its connection is lost. */
async function work(client: pg.Client, isOver: () => boolean): Promise<'done' | 'lost'> {
  try {
    while (!isOver()) await client.query('SELECT pg_sleep(0.01)')
    return 'done'
  } catch {
    return 'lost'
  }
}

/** A worker that takes more than two seconds to answer is left out of the sums. */
async function untilMetric(proxy: PgloomProcess, name: string, value: number): Promise<void> {
  await until(`${name} is ${value}`, DEADLINE_MS, async () => {
    const page = await (await fetch(`${proxy.httpUrl}/metrics`)).text()
    const line = page.split('\n').find((one) => one.startsWith(`${name} `))
    return Number(line?.split(' ')[1]) === value
  })
}

const world = await ServeOneServer.start(
  t,
  'listen: { port: 0, max_client_conn: 40 }\npool: { default_pool_size: 4 }',
)

t.test('two workers', async (t) => {
  const proxy = await world.serve('--processes', '2')

  await t.test('share clients evenly, and one pool of 4 connections', async (t) => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => clientOf(t, proxy.url)))
    const ofFirst = clients.filter((client) => numberOf(client) === 1).length
    t.equal(ofFirst, 20, 'half of the clients are with worker 1')
    let most = 0
    let rounds = 0
    let isOver = false
    const working = clients.map((client) => work(client, () => isOver))
    await until('many looks at the server', DEADLINE_MS, async () => {
      most = Math.max(most, await world.connections())
      rounds++
      return rounds >= 50
    })
    isOver = true
    t.same(new Set(await Promise.all(working)), new Set(['done']))
    t.equal(most, 4, 'never more connections than the pool has, and all of them are used')

    const late = new pg.Client({ connectionString: proxy.url })
    late.on('error', () => undefined)
    await t.rejects(late.connect(), { code: '53300' }, 'max_client_conn is counted over both')
    await untilMetric(proxy, 'pgloom_clients', 40)
    await untilMetric(proxy, 'pgloom_processes', 2)
    await Promise.all(clients.map((client) => client.end()))
  })

  await t.test('pass cancel requests on', async (t) => {
    // else one worker may still count clients that have left
    await untilMetric(proxy, 'pgloom_clients', 0)
    const sleepers = await Promise.all([clientOf(t, proxy.url), clientOf(t, proxy.url)])
    t.same(new Set(sleepers.map(numberOf)), new Set([1, 2]), 'one at each')
    const asleep = sleepers.map((client) =>
      client.query('SELECT pg_sleep(600)').catch((error: unknown) => error),
    )
    for (const [index, sleeper] of sleepers.entries()) {
      await until('the cancel arrives', DEADLINE_MS, async () => {
        await cancel(proxy.port, sleeper)
        return await Promise.race([asleep[index], undefined])
      })
      t.match(await asleep[index], { code: '57014' })
    }
    await cancel(proxy.port, { processID: 99, secretKey: 1 })
    await cancel(proxy.port, { processID: 2 ** 31 - 1, secretKey: 1 })
    // not one of those: a cancel request more than it needed may still be on its way to it
    const other = await clientOf(t, proxy.url)
    t.equal((await other.query('SELECT 1 AS x')).rows[0]?.x, 1, 'unknown keys do nothing')
  })

  await t.test('one that is killed costs its own clients only', async (t) => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => clientOf(t, proxy.url)))
    let isOver = false
    const working = clients.map((client) => work(client, () => isOver))
    const victim = workersOf(proxy).get(2) ?? 0
    process.kill(victim, 'SIGKILL')
    await until('another worker 2', DEADLINE_MS, async () => workersOf(proxy).get(2) !== victim)
    const newcomers = await Promise.all(Array.from({ length: 8 }, () => clientOf(t, proxy.url)))
    t.ok(
      newcomers.some((client) => numberOf(client) === 2),
      'the new one has clients',
    )
    await Promise.all(newcomers.map((client) => client.query('SELECT pg_sleep(0.05)')))
    isOver = true
    const ends = await Promise.all(working)
    for (const [index, client] of clients.entries()) {
      t.equal(ends[index], numberOf(client) === 2 ? 'lost' : 'done')
    }
    await until('the bound holds', DEADLINE_MS, async () => (await world.connections()) <= 4)
    await untilMetric(proxy, 'pgloom_process_restarts_total', 1)
  })

  await t.test('the leader may be killed, too', async (t) => {
    const victim = workersOf(proxy).get(1) ?? 0
    process.kill(victim, 'SIGKILL')
    await until('another worker 1', DEADLINE_MS, async () => workersOf(proxy).get(1) !== victim)
    t.equal((await (await fetch(`${proxy.httpUrl}/readyz`)).text()).trim(), 'ready')
  })

  await t.test('doorman, inherited descriptors: have nothing but what they need', async (t) => {
    const [pid = 0] = workersOf(proxy).values()
    const listening = listeningInodes()
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(pid, fd))
    t.same(
      open.filter((link) => listening.has(link)),
      [],
      'no listening socket',
    )
  })

  await t.test('SIGTERM lets transactions end, and then all processes', async (t) => {
    const client = await clientOf(t, proxy.url)
    await client.query('BEGIN')
    await client.query('SELECT 1')
    const stopped = proxy.stop()
    await until('no more clients', DEADLINE_MS, async () => {
      const visitor = new pg.Client({ connectionString: proxy.url })
      visitor.on('error', () => undefined)
      return await visitor.connect().then(
        () => visitor.end().then(() => false),
        () => true,
      )
    })
    t.equal((await client.query('SELECT 42 AS x')).rows[0]?.x, 42)
    await client.query('COMMIT')
    t.equal(await stopped, 0)
    for (const pid of workersOf(proxy).values()) t.throws(() => process.kill(pid, 0))
    await until('nothing is left', DEADLINE_MS, async () => (await world.connections()) === 0)
  })
})

t.test('workers that crash again and again', async (t) => {
  const proxy = await world.serve('--processes', '2')
  // before they have become ready: a start takes seconds on a busy machine, and the limit is of a minute
  await until('the proxy gives up', DEADLINE_MS, async () => {
    for (const pid of childrenOf(proxy.pid)) process.kill(pid, 'SIGKILL')
    return proxy.child.exitCode !== null
  })
  t.equal(await proxy.closed, 1)
  t.match(proxy.tail(), /worker processes crash again and again/)
})

t.test('workers end when their primary is killed', async (t) => {
  const proxy = await world.serve('--processes', '2')
  const workers = [...workersOf(proxy).values()]
  await proxy.kill()
  await until('both are gone', DEADLINE_MS, async () => workers.every((pid) => !isAlive(pid)))
  t.pass()
})

/** Without those that have ended and are not reaped yet. */
function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [state, ppid] = statOf(pid)
      return Number(ppid) === parent && state !== 'Z'
    })
    .map(Number)
}

/** What follows the name of the program, which may hold anything. */
function statOf(pid: string): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Resolves when the proxy has closed the connection. */
function cancel(port: number, client: pg.Client | { processID: number; secretKey: number }) {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  const packet = Buffer.alloc(16)
  packet.writeInt32BE(16, 0)
  packet.writeInt32BE(80_877_102, 4)
  packet.writeInt32BE(processID, 8)
  packet.writeInt32BE(secretKey, 12)
  return new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(packet))
    socket.resume()
    socket.on('close', () => resolve())
  })
}

const LISTEN_STATE = '0A'

function listeningInodes(): Set<string> {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  const fields = lines.map((line) => line.trim().split(/\s+/))
  return new Set(
    fields.filter(([, , , state]) => state === LISTEN_STATE).map((one) => `socket:[${one[9]}]`),
  )
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return ''
  }
}
