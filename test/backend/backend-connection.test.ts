import t, { type Test } from 'tap'
import { ROW_RUNS } from '../../lib/backend/answer-reader.ts'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { connectBackend } from '../../lib/backend/backend-handshake.ts'
import { RouterError } from '../../lib/base/errors.ts'
import { query } from '../../lib/executor/node-client.ts'
import { readPasswordMessage, writeAuthentication } from '../../lib/wire/authentication-messages.ts'
import {
  writeCommandComplete,
  writeDataRow,
  writeReadyForQuery,
} from '../../lib/wire/backend-messages.ts'
import { writeError } from '../../lib/wire/error-messages.ts'
import type { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { writeQuery } from '../../lib/wire/frontend-messages.ts'
import { md5Response, md5Secret } from '../../lib/wire/md5.ts'
import { Frontend, TransactionStatus } from '../../lib/wire/message-codes.ts'
import { FakeBackend, type FakeScript, welcome } from '../support/fake-backend.ts'
import { testPool } from '../support/test-pool.ts'

function answer(out: FrameWriter): void {
  writeDataRow(out, ['1', undefined])
  writeDataRow(out, ['x'.repeat(5000), ''])
  writeCommandComplete(out, 'SELECT 2')
  writeReadyForQuery(out, TransactionStatus.idle)
}

async function fake(t: Test, script: FakeScript): Promise<FakeBackend> {
  const server = await FakeBackend.start(script)
  t.teardown(() => server.stop())
  return server
}

function connect(server: FakeBackend, password?: string): Promise<BackendConnection> {
  return connectBackend({
    node: server.address,
    database: 'd',
    user: 'u',
    credential: password === undefined ? undefined : { kind: 'password', password },
    connectTimeoutMs: 60_000,
    allowsCleartextPassword: false,
  })
}

async function connected(t: Test, script: FakeScript): Promise<BackendConnection> {
  const connection = await connect(await fake(t, script))
  t.teardown(() => connection.close())
  return connection
}

t.test('BackendConnection', async (t) => {
  t.test('reads an answer however its bytes are cut', async (t) => {
    for (const chunkBytes of [1, 3, 5, 6, 1000]) {
      const connection = await connected(t, {
        onMessage: (session, type) => {
          if (type === Frontend.query) session.send(answer, chunkBytes)
        },
      })
      const { rows, tag } = await query(connection, 'x')
      t.same(rows, [
        ['1', undefined],
        ['x'.repeat(5000), ''],
      ])
      t.equal(tag, 'SELECT 2')
      t.ok(connection.isReusable)
    }
  })

  t.test('hands rows on as runs that add up to the bytes sent', async (t) => {
    const connection = await connected(t, {
      onMessage: (session) => session.send(answer, 7),
    })
    let bytes = 0
    const status = await new Promise<number>((resolve, reject) => {
      connection.open({
        runs: ROW_RUNS,
        rows: (_chunk, start, end) => {
          bytes += end - start
          return true
        },
        message: () => undefined,
        ready: resolve,
        lost: reject,
      })
      connection.out.empty(Frontend.sync)
      connection.flush()
    })
    t.equal(status, TransactionStatus.idle)
    t.equal(bytes, 5 + 2 + 4 + 1 + 4 + 5 + 2 + 4 + 5000 + 4)
  })

  t.test('keeps pipelined requests and their errors apart', async (t) => {
    let count = 0
    const connection = await connected(t, {
      onMessage: (session) => {
        count++
        const isSecond = count === 2
        session.send((out) => {
          if (isSecond) writeError(out, new RouterError('22012', 'division by zero'))
          else writeCommandComplete(out, `SELECT ${count}`)
          writeReadyForQuery(out, TransactionStatus.idle)
        })
      },
    })
    const results = await Promise.allSettled([1, 2, 3].map(() => query(connection, 'x')))
    t.match(results, [
      { value: { tag: 'SELECT 1' } },
      { reason: { name: 'ServerError', sqlState: '22012' } },
      { value: { tag: 'SELECT 3' } },
    ])
  })

  const HOSTILE: readonly [string, Buffer][] = [
    ['an unknown type', Buffer.from([0x7e, 0, 0, 0, 4])],
    ['a length below 4', Buffer.from([0x44, 0, 0, 0, 3])],
    ['a length beyond the limit', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
    ['a bad status', Buffer.from([0x5a, 0, 0, 0, 5, 0x58])],
    ['another authentication', Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0])],
  ]
  for (const [name, bytes] of HOSTILE) {
    t.test(`is closed by ${name}, and its sink is lost`, async (t) => {
      const connection = await connected(t, {
        onMessage: (session) => session.socket.write(bytes),
      })
      await t.rejects(query(connection, 'x'), { name: 'BackendLost', sqlState: '08006' })
      t.equal(connection.state, 'closed')
    })
  }

  t.test('PgDog #876: is closed by an answer that nobody asked for', async (t) => {
    const connection = await connected(t, {
      onStartup: (session) => {
        session.send((out) => {
          welcome(out)
          writeCommandComplete(out, 'SELECT 1')
        })
      },
    })
    await t.rejects(query(connection, 'x'), { name: 'BackendLost' })
  })

  t.test('says what was never sent', async (t) => {
    const connection = await connected(t, {})
    const lost = query(connection, 'x')
    connection.close()
    await t.rejects(lost, { name: 'BackendLost', sent: false })
    await t.rejects(query(connection, 'y'), { name: 'BackendLost', sent: false })
  })
})

t.test('connectBackend', async (t) => {
  t.test('answers md5, and rejects with the error of the server', async (t) => {
    const salt = Buffer.from([1, 2, 3, 4])
    const server = await fake(t, {
      onStartup: (session) =>
        session.send((out) => writeAuthentication(out, { kind: 'md5-password', salt })),
      onMessage: (session, type, frame) => {
        if (type !== Frontend.password) return
        const isRight = readPasswordMessage(frame) === md5Response(md5Secret('u', 'right'), salt)
        const error = new RouterError('28P01', 'password authentication failed')
        session.send(isRight ? welcome : (out) => writeError(out, error))
      },
    })
    const connection = await connect(server, 'right')
    t.equal(connection.processId, 7)
    connection.close()
    await t.rejects(connect(server, 'wrong'), { name: 'ServerError', sqlState: '28P01' })
    await t.rejects(connect(server), { name: 'RouterError', sqlState: '28000' })
  })

  t.test('sends no password in clear, and wants to be authenticated', async (t) => {
    const curious = await fake(t, {
      onStartup: (session) =>
        session.send((out) => writeAuthentication(out, { kind: 'cleartext-password' })),
    })
    await t.rejects(connect(curious, 'secret'), { name: 'RouterError', sqlState: '28000' })
    const hasty = await fake(t, {
      onStartup: (session) =>
        session.send((out) => writeReadyForQuery(out, TransactionStatus.idle)),
    })
    await t.rejects(connect(hasty), { name: 'ProtocolError', sqlState: '08P01' })
  })
})

t.test('Pool', async (t) => {
  t.test('is bounded and first come, first served', async (t) => {
    const server = await fake(t, {})
    const pool = testPool({ maxConnections: 2, connect: () => connect(server) })
    t.teardown(() => pool.close())
    const [first, second] = await Promise.all([pool.acquire(), pool.acquire()])
    const order: number[] = []
    const third = pool.acquire().then((connection) => order.push(3) && connection)
    const fourth = pool.acquire().then((connection) => order.push(4) && connection)
    t.same(pool.stats, { idle: 0, busy: 2, connecting: 0, waiting: 2 })
    t.equal(pool.acquireNow(), undefined)
    pool.release(first)
    pool.release(second)
    await Promise.all([third, fourth])
    t.same(order, [3, 4])
    t.equal(server.connections, 2)
  })

  t.test('cancels, drains and keeps a connection that comes back in use', async (t) => {
    const asked: { send(write: (out: FrameWriter) => void): void }[] = []
    const server = await fake(t, {
      onMessage: (session, type) => {
        if (type !== Frontend.query) return
        asked.push(session)
        // the second is the ROLLBACK
        if (asked.length > 1) session.send(answer)
      },
      onCancel: () => {
        for (const session of asked) session.send(answer)
      },
    })
    const pool = testPool({ maxConnections: 2, connect: () => connect(server) })
    t.teardown(() => pool.close())
    const connection = await pool.acquire()
    const unanswered = query(connection, 'x')
    while (asked.length === 0) {
      connection.flush()
      await new Promise((resolve) => setImmediate(resolve))
    }
    pool.release(connection)
    t.same(pool.stats, { idle: 0, busy: 1, connecting: 0, waiting: 0 })
    await unanswered
    t.equal(await pool.acquire(), connection)
    t.equal(server.connections, 1)
  })

  t.test('fails its waiters with the error of the server', async (t) => {
    const error = new RouterError('3D000', 'database "d" does not exist')
    const server = await fake(t, {
      onStartup: (session) => session.send((out) => writeError(out, error)),
    })
    const pool = testPool({ maxConnections: 2, connect: () => connect(server) })
    t.teardown(() => pool.close())
    await t.rejects(pool.acquire(), { name: 'ServerError', sqlState: '3D000' })
    await t.rejects(pool.acquire(AbortSignal.abort()), { name: 'RouterError', sqlState: '57014' })
  })

  t.test(
    'PgBouncer #717: keeps a connection to itself until a cancel for it has ended',
    async (t) => {
      const server = await fake(t, {
        onMessage: (session, type) => {
          if (type === Frontend.query) sessions.push(session)
        },
        onCancel: () => {
          for (const session of sessions) session.send(answer)
        },
      })
      const sessions: { send(write: (out: FrameWriter) => void): void }[] = []
      const pool = testPool({ maxConnections: 2, connect: () => connect(server) })
      t.teardown(() => pool.close())
      const connection = await pool.acquire()
      const answered = query(connection, 'x')
      const waiting = () => sessions.length > 0
      while (!waiting()) await new Promise((resolve) => setImmediate(resolve))
      const cancelled = connection.cancel()
      await answered
      if (connection.hasCancelInFlight) {
        pool.release(connection)
        t.equal(pool.acquireNow(), undefined)
        await cancelled
      } else pool.release(connection)
      while (pool.stats.idle === 0) await new Promise((resolve) => setImmediate(resolve))
      t.equal(pool.acquireNow(), connection)
    },
  )
})

t.test('a long answer', async (t) => {
  const ROW = 8000
  const ROWS = 400
  const connection = await connected(t, {
    onMessage: (session, type) => {
      if (type !== Frontend.query) return
      session.send((out) => {
        for (let row = 0; row < ROWS; row++) writeDataRow(out, [String(row).padStart(ROW, '.')])
        writeCommandComplete(out, `SELECT ${ROWS}`)
        writeReadyForQuery(out, TransactionStatus.idle)
      }, 8192)
    },
  })

  t.test('comes whole, though its reader waits for more to gather', async (t) => {
    const { rows } = await query(connection, 'x')
    t.equal(rows.length, ROWS)
    t.ok(rows.every(([value], row) => value === String(row).padStart(ROW, '.')))
  })

  t.test('stops while it is paused, and goes on', async (t) => {
    let bytes = 0
    let bytesWhilePaused = 0
    let pauses = 0
    let isPaused = false
    const status = new Promise<number>((resolve, reject) => {
      connection.open({
        runs: ROW_RUNS,
        rows: (_chunk, start, end) => {
          bytes += end - start
          if (isPaused) bytesWhilePaused += end - start
          if (pauses === 5 || isPaused) return false
          pauses++
          isPaused = true
          // in the midst of a chunk, whose rest may still come in this turn
          connection.pause()
          setImmediate(() => {
            bytesWhilePaused = 0
            setTimeout(() => {
              t.equal(bytesWhilePaused, 0)
              isPaused = false
              connection.resume()
            }, 5)
          })
          return false
        },
        message: () => undefined,
        ready: resolve,
        lost: reject,
      })
      writeQuery(connection.out, 'x')
      connection.flush()
    })
    t.equal(await status, TransactionStatus.idle)
    t.equal(bytes, ROWS * (ROW + 11))
    t.equal(pauses, 5)
  })
})
