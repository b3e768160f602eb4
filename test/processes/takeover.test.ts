import { connect } from 'node:net'
import pg from 'pg'
import { serialize } from 'pg-protocol'
import t from 'tap'
import { freePort } from '../../lib/embedded/free-port.ts'
import { cancelProcessId, clientOf, ServeOneServer } from '../support/serve-one-server.ts'
import type { Teardown } from '../support/stock-postgres.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000

/** Connects, asks and leaves, again and again; gives what went wrong. */
class Visitors {
  readonly failures: string[] = []
  visits = 0
  readonly #url: string
  readonly #loops: Promise<void>[]
  #isOver = false

  constructor(url: string, count: number) {
    this.#url = url
    this.#loops = Array.from({ length: count }, () => this.#loop())
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  async #loop(): Promise<void> {
    while (!this.#isOver) {
      const client = new pg.Client({ connectionString: this.#url })
      client.on('error', () => undefined)
      try {
        await client.connect()
        await client.query('SELECT 1')
        await client.end()
        this.visits++
      } catch (error) {
        this.failures.push(String(error))
      }
    }
  }
}

for (const processes of [1, 2]) {
  t.test(`a proxy of ${processes} is taken over`, async (t) => {
    const port = await freePort()
    const world = await ServeOneServer.start(
      t,
      `listen: { port: ${port} }\nprocesses: ${processes}`,
    )
    const old = await world.serve()
    const worker = await clientOf(t, old.url)
    const sleeper = await clientOf(t, old.url)
    await worker.query('BEGIN')
    const asleep = sleeper.query('SELECT pg_sleep(600)').catch((error: unknown) => error)
    const quiet = await clientOf(t, old.url)
    const left = new Promise<void>((resolve) => quiet.once('end', () => resolve()))
    const startsTalking = silentVisitor(t, port)
    const visitors = new Visitors(old.url, 2)
    t.teardown(() => visitors.end())
    await until('some visits', DEADLINE_MS, async () => visitors.visits > 20)

    const next = await world.serve('--takeover')
    const before = visitors.visits
    await until('visits to the new one', DEADLINE_MS, async () => visitors.visits > before + 20)

    t.equal((await worker.query('SELECT 42 AS x')).rows[0]?.x, 42, 'a transaction goes on')
    cancel(port, sleeper)
    t.match(await asleep, { code: '57014' }, 'a cancel request finds the old process')
    await left
    t.match(await startsTalking(), 'served', 'who logs in slowly is not sent away')
    t.equal(old.child.exitCode, null, 'the old one waits for its transaction')
    await worker.query('COMMIT')
    t.equal(await old.exited, 0, 'and ends when its clients are quiet')
    await visitors.end()
    t.same(visitors.failures, [], `of ${visitors.visits} connects none failed`)

    const third = await world.serve('--takeover')
    t.equal(await next.exited, 0, 'who took over can be taken over')
    t.equal(await third.stop(), 0)
  })
}

t.test('--takeover without anything to take over', async (t) => {
  const port = await freePort()
  const world = await ServeOneServer.start(t, `listen: { port: ${port} }\nprocesses: 1`)
  const proxy = await world.serve('--takeover')
  t.equal((await (await clientOf(t, proxy.url)).query('SELECT 1 AS x')).rows[0]?.x, 1)
  t.equal(await proxy.stop(), 0)
})

/** Connects at once, and says nothing before it is told to. Gives what it was answered, up to the end of its query. */
function silentVisitor(t: Teardown, port: number): () => Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const heard: Buffer[] = []
  socket.on('data', (chunk) => heard.push(chunk)).on('error', () => undefined)
  t.teardown(() => {
    socket.destroy()
  })
  return async () => {
    socket.write(serialize.startup({ user: 'app', database: 'app' }))
    const said = () => Buffer.concat(heard).toString('latin1')
    const isReady = (times: number) => async () => said().split('Z\0\0\0\x05I').length > times
    await until('it is logged in', DEADLINE_MS, isReady(1))
    socket.write(serialize.query(`SELECT 'served'`))
    await until('it is answered', DEADLINE_MS, isReady(2))
    socket.destroy()
    return said()
  }
}

function cancel(port: number, client: pg.Client): void {
  const { secretKey } = client as unknown as { readonly secretKey: number }
  const packet = Buffer.alloc(16)
  packet.writeInt32BE(16, 0)
  packet.writeInt32BE(80_877_102, 4)
  packet.writeInt32BE(cancelProcessId(client), 8)
  packet.writeInt32BE(secretKey, 12)
  connect(port, '127.0.0.1').end(packet)
}
