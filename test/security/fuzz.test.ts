import { randomInt } from 'node:crypto'
import { connect } from 'node:net'
import t from 'tap'
import { formatScramSecret, makeScramSecret } from '../../lib/wire/scram-secret.ts'
import { authenticationBy, NO_SERVER } from '../support/authentication.ts'
import { localProxy } from '../support/local-proxy.ts'
import {
  GSSENC_REQUEST,
  int32,
  logIn,
  message,
  SSL_REQUEST,
  startupPacket,
} from '../support/login-dialogue.ts'
import { secondsFromEnv } from '../support/project.ts'

const SECONDS = secondsFromEnv('PGLOOM_TEST_FUZZ_SECONDS', 2)
const AT_ONCE = 50
const PATIENCE_MS = 50

const FIRST = Buffer.from('n,,n=,r=abcdefgh')
const PIECES = [
  SSL_REQUEST,
  GSSENC_REQUEST,
  startupPacket({ user: 'scram', database: 'app', options: '-c search_path=x' }),
  message('p', Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), int32(FIRST.length), FIRST])),
  message('p', `c=biws,r=abcdefgh,p=${'A'.repeat(43)}=`),
  message('p', 'password\0'),
  message('Q', 'SELECT 1\0'),
  Buffer.concat([int32(16), int32(80_877_102), int32(1), int32(2)]),
]

function pick<T>(items: readonly T[]): T {
  const item = items[randomInt(items.length)]
  if (item === undefined) throw new Error('nothing to pick')
  return item
}

/** Some pieces of a login in any order, with some bytes changed, cut off anywhere. */
function nonsense(): Buffer {
  const pieces = Array.from({ length: randomInt(1, 6) }, () => pick(PIECES))
  const bytes = Buffer.concat(pieces)
  for (let changes = randomInt(4); changes > 0; changes--) {
    bytes[randomInt(bytes.length)] = randomInt(256)
  }
  return bytes.subarray(0, randomInt(3) === 0 ? randomInt(1, bytes.length) : bytes.length)
}

/** Resolves when the proxy has closed, or seems to wait for more. */
function send(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes))
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.resume()
  })
}

t.test(
  'CVE-2012-4575: whatever clients send before they have logged in, others are served',
  async (t) => {
    const scram = formatScramSecret(await makeScramSecret('secret'))
    for (const method of ['scram-sha-256', 'md5', 'password'] as const) {
      const options = authenticationBy(method, { scram }, { allowsPlainPassword: true })
      const port = await localProxy(t, NO_SERVER, options)
      const end = Date.now() + (SECONDS * 1000) / 3
      let count = 0
      while (Date.now() < end) {
        const inputs = Array.from({ length: AT_ONCE }, nonsense)
        await Promise.all(inputs.map((bytes) => send(port, bytes)))
        count += inputs.length
      }
      const { error } = await logIn(port, { user: 'scram', secret: 'secret' })
      t.equal(error, undefined, `${method}: after ${count} clients`)
    }
  },
)
