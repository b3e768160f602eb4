import t, { type Test } from 'tap'
import { ROW_RUNS } from '../../lib/backend/answer-reader.ts'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { connectBackend } from '../../lib/backend/backend-handshake.ts'
import { Lane, OVERDUE_MS, STUCK_MS } from '../../lib/backend/lane.ts'
import { laneFigures } from '../../lib/backend/lane-figures.ts'
import { lanesOf } from '../../lib/backend/lane-group.ts'
import type { ResponseSink } from '../../lib/backend/response-sink.ts'
import type { Settings } from '../../lib/backend/session-state.ts'
import { writeCommandComplete, writeReadyForQuery } from '../../lib/wire/backend-messages.ts'
import { writeQuery } from '../../lib/wire/frontend-messages.ts'
import { Frontend, TransactionStatus } from '../../lib/wire/message-codes.ts'
import { FakeBackend, type FakeSession } from '../support/fake-backend.ts'
import { testPool } from '../support/test-pool.ts'

const SETTINGS: Settings = new Map()

/** A server that answers when it is told to. */
async function world(t: Test) {
  const asked: FakeSession[] = []
  const state = { cancels: 0 }
  const server = await FakeBackend.start({
    onMessage: (session, type) => {
      if (type === Frontend.query) asked.push(session)
    },
    onCancel: () => {
      state.cancels++
    },
  })
  t.teardown(() => server.stop())
  const connect = (): Promise<BackendConnection> =>
    connectBackend({
      node: server.address,
      database: 'd',
      user: 'u',
      credential: undefined,
      connectTimeoutMs: 60_000,
      allowsCleartextPassword: false,
    })
  return { asked, state, connect, server }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

function sinkOf(order: string[], name: string): ResponseSink {
  return {
    runs: ROW_RUNS,
    rows: () => false,
    message: () => undefined,
    ready: () => order.push(name),
    lost: (error) => order.push(`${name}: ${error.message}`),
  }
}

function ask(lane: Lane, sink: ResponseSink, nowMs: number): void {
  lane.enter(100, nowMs)
  lane.connection.open(sink)
  writeQuery(lane.connection.out, 'x')
  lane.connection.flush()
}

function answer(session: FakeSession | undefined): void {
  session?.send((out) => {
    writeCommandComplete(out, 'SELECT 0')
    writeReadyForQuery(out, TransactionStatus.idle)
  })
}

t.test('Lane', async (t) => {
  const { asked, state, connect } = await world(t)

  t.test('lets nobody stand behind a head that is late, in two grades', async (t) => {
    const connection = await connect()
    const lane = new Lane(connection, SETTINGS, 0, () => undefined)
    const sink = sinkOf([], 'a')
    ask(lane, sink, 100)
    t.ok(lane.accepts(100 + OVERDUE_MS, OVERDUE_MS))
    t.notOk(lane.accepts(100.1 + OVERDUE_MS, OVERDUE_MS))
    t.ok(lane.accepts(100.1 + OVERDUE_MS, STUCK_MS))
    t.notOk(lane.accepts(100.1 + STUCK_MS, STUCK_MS))
    const { statements, waitMs } = laneFigures()
    lane.enter(100, 101)
    t.equal(lane.leave(sink, 100, 100, 130), 30, 'the head was at it from its start')
    t.equal(lane.leave(sink, 100, 101, 131), 1, 'the next one from the head’s end')
    t.equal(laneFigures().statements - statements, 2)
    t.equal(laneFigures().waitMs - waitMs, 29, 'it stood behind the head until then')
    t.ok(lane.accepts(10_000, OVERDUE_MS), 'an empty lane has no head')
    connection.close()
  })

  t.test(
    'is bounded, takes nobody when retired or closed, and says when it is empty',
    async (t) => {
      const connection = await connect()
      let emptied = 0
      const lane = new Lane(connection, SETTINGS, 0, () => emptied++)
      const sink = sinkOf([], 'a')
      let entered = 0
      while (lane.accepts(0, OVERDUE_MS) && entered < 1000) {
        lane.enter(10, 0)
        entered++
      }
      t.equal(entered, 512)
      for (; entered > 0; entered--) lane.leave(sink, 10, 0, 0)
      t.equal(emptied, 1)
      lane.enter(256 * 1024, 0)
      t.notOk(lane.accepts(0, OVERDUE_MS), 'as many bytes as may be on their way')
      lane.leave(sink, 256 * 1024, 0, 0)
      lane.retire()
      t.notOk(lane.accepts(0, OVERDUE_MS))
      const closed = new Lane(connection, SETTINGS, 0, () => undefined)
      t.ok(closed.accepts(0, OVERDUE_MS))
      connection.close()
      t.notOk(closed.accepts(0, OVERDUE_MS))
    },
  )

  t.test('cancels only him who stands alone, and takes nobody meanwhile', async (t) => {
    asked.length = 0
    const connection = await connect()
    const order: string[] = []
    const lane = new Lane(connection, SETTINGS, 0, () => undefined)
    const sinks = ['a', 'b'].map((name) => sinkOf(order, name))
    const [first = sinkOf(order, ''), second = sinkOf(order, '')] = sinks
    ask(lane, first, 0)
    ask(lane, second, 0)
    await until(() => asked.length === 2)
    lane.cancel(second)
    t.equal(state.cancels, 0, 'the neighbour before him is running')
    t.notOk(lane.accepts(0, OVERDUE_MS), 'nobody may stand behind him now')
    answer(asked[0])
    await until(() => order.length === 1)
    lane.leave(first, 100, 0, 1)
    await until(() => state.cancels === 1)
    answer(asked[1])
    await until(() => order.length === 2)
    lane.leave(second, 100, 0, 2)
    await connection.cancelsSettled()
    t.same(order, ['a', 'b'])
    t.ok(lane.accepts(2, OVERDUE_MS), 'the server has said that the signal was sent')
    connection.close()
  })
})

t.test('a cancel whose end nobody saw makes its connection nobody’s', async (t) => {
  const asked: FakeSession[] = []
  const server = await FakeBackend.start({
    onMessage: (session) => asked.push(session),
    // in place of a server that closes in order
    onCancel: (session) => session.socket.resetAndDestroy(),
  })
  t.teardown(() => server.stop())
  const connection = await connectBackend({
    node: server.address,
    database: 'd',
    user: 'u',
    credential: undefined,
    connectTimeoutMs: 60_000,
    allowsCleartextPassword: false,
  })
  const order: string[] = []
  const lane = new Lane(connection, SETTINGS, 0, () => undefined)
  const sink = sinkOf(order, 'a')
  ask(lane, sink, 0)
  await until(() => asked.length === 1)
  lane.cancel(sink)
  await connection.cancelsSettled()
  answer(asked[0])
  await until(() => order.length === 1)
  lane.leave(sink, 100, 0, 1)
  t.notOk(lane.accepts(1, OVERDUE_MS))
  t.notOk(connection.isReusable)
  connection.close()
})

t.test('LaneGroup', async (t) => {
  const { connect } = await world(t)

  t.test('opens few lanes, uses the emptiest, gives back those of other settings', async (t) => {
    const pool = testPool({ maxConnections: 8, connect })
    t.teardown(() => pool.close())
    const group = lanesOf(pool, async (connection, settings) => {
      connection.settings.synced(settings, false)
    })
    t.equal(
      lanesOf(pool, async () => undefined),
      group,
      'one group a pool',
    )
    t.equal(group.take(SETTINGS, 0, OVERDUE_MS), undefined, 'it is being opened')
    await until(() => group.lanes.length === 1)
    const first = group.take(SETTINGS, 0, OVERDUE_MS)
    t.equal(first, group.lanes[0])
    first?.enter(1, 0)
    t.equal(group.take(SETTINGS, 0, OVERDUE_MS), first, 'while another is being opened')
    await until(() => group.lanes.length === 2)
    t.equal(group.take(SETTINGS, 0, OVERDUE_MS), group.lanes[1])
    group.lanes[1]?.enter(1, 0)
    group.take(SETTINGS, 0, OVERDUE_MS)
    t.equal(group.lanes.length, 2, 'a quarter of the pool')
    t.equal(pool.stats.busy, 2)
  })

  t.test('leaves a paused pool its connections', async (t) => {
    const pool = testPool({ maxConnections: 8, connect })
    t.teardown(() => pool.close())
    const group = lanesOf(pool, async () => undefined)
    group.take(SETTINGS, 0, OVERDUE_MS)
    await until(() => group.lanes.length === 1)
    const [lane] = group.lanes
    lane?.enter(1, 0)
    pool.pause()
    t.equal(group.take(SETTINGS, 0, OVERDUE_MS), undefined)
    lane?.leave(sinkOf([], 'a'), 1, 0, 1)
    t.ok(group.isEmpty)
    pool.resume()
  })
})
