import { connect } from 'node:net'
import t from 'tap'
import { readHbaRules } from '../../lib/auth/hba-file.ts'
import { authenticationBy } from '../support/authentication.ts'
import { FakeBackend } from '../support/fake-backend.ts'
import { localProxy } from '../support/local-proxy.ts'
import { logIn, message, startupPacket } from '../support/login-dialogue.ts'

const ATTEMPTS = 50

/** Says all at once and resets the connection, so that it has no address any more when it is read. */
function hitAndRun(port: number): Promise<void> {
  const bytes = Buffer.concat([
    startupPacket({ user: 'app', database: 'app' }),
    message('Q', 'DROP TABLE t\0'),
  ])
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.write(bytes, () => socket.resetAndDestroy())
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
  })
}

t.test(
  'a client that has reset its connection does not pass for one of a Unix socket',
  async (t) => {
    const server = await FakeBackend.start({})
    t.teardown(() => server.stop())
    const rules = readHbaRules('local all all trust\nhost all all all reject', 'x')
    const port = await localProxy(t, server.address, authenticationBy('trust', {}, { rules }))
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) await hitAndRun(port)
    t.match((await logIn(port, { user: 'app' })).error, { sqlState: '28000' }, 'after all of them')
    t.equal(server.connections, 0, 'no server was asked for any of them')
  },
)
