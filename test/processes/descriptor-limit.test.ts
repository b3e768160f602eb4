import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { clientOf, ServeOneServer } from '../support/serve-one-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const DEADLINE_MS = 60_000
const PRLIMIT = '/usr/bin/prlimit'
const MORE = 20

t.test(
  'doorman 3.10.5: a process without a descriptor left says so, and goes on when it has some',
  { skip: existsSync(PRLIMIT) ? false : 'prlimit is not installed' },
  async (t) => {
    const world = await ServeOneServer.start(t, 'listen: { port: 0 }')
    const proxy = await world.serve('--processes', '1')
    const settled = await clientOf(t, proxy.url)
    const limit = readdirSync(`/proc/${proxy.pid}/fd`).length + MORE
    execFileSync(PRLIMIT, [`--nofile=${limit}:${limit}`, '--pid', String(proxy.pid)])
    const sockets: Socket[] = []
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (let number = 0; number < 3 * MORE; number++) {
      const socket = connect(proxy.port, '127.0.0.1')
      socket.on('error', () => undefined)
      sockets.push(socket)
    }
    await until('it says so', DEADLINE_MS, async () => /no file can be opened/.test(proxy.tail()))
    t.equal((await settled.query('SELECT 1 AS n')).rows[0]?.n, 1, 'who is here goes on')
    for (const socket of sockets) socket.destroy()
    await until('it serves', DEADLINE_MS, () => clientOf(t, proxy.url))
    t.equal(proxy.log.filter((line) => line.includes('no file can be opened')).length, 1)
  },
)
