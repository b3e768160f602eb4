import { connect } from 'node:net'
import t from 'tap'
import { ruleForAll } from '../../lib/auth/hba-rules.ts'
import { localProxy, TRUST } from '../support/local-proxy.ts'

/** Nobody listens there: what is refused before the coordinator is asked needs no server. */
const NO_SERVER = { host: '127.0.0.1', port: 1 }

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function startup(parameters: Readonly<Record<string, string>>, version = 196_608): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`)
  const body = Buffer.from(`${pairs.join('')}\0`)
  return Buffer.concat([int32(body.length + 8), int32(version), body])
}

/** All that the proxy says until it closes. */
function answerTo(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

const SSL_REQUEST = Buffer.concat([int32(8), int32(80_877_103)])
const LOGIN = { user: 'app', database: 'app' }

const CASES: readonly (readonly [name: string, bytes: Buffer, sqlState: string])[] = [
  ['another protocol', Buffer.from('GET / HTTP/1.0\r\n\r\n'), '08P01'],
  ['a length of 2 GB', int32(0x7fff_ffff), '08P01'],
  ['a length that is too small', int32(2), '08P01'],
  ['bytes after SSLRequest', Buffer.concat([SSL_REQUEST, startup(LOGIN)]), '08P01'],
  ['protocol 2', startup(LOGIN, 131_072), '0A000'],
  ['no user', startup({ database: 'app' }), '28000'],
  ['replication', startup({ ...LOGIN, replication: 'database' }), '0A000'],
  ['an encoding other than UTF8', startup({ ...LOGIN, client_encoding: 'LATIN1' }), '0A000'],
  ['malformed options', startup({ ...LOGIN, options: '-x' }), '42601'],
  ['a server that is down', startup(LOGIN), '08006'],
]

t.test('hostile input ends its own session with a clear error', async (t) => {
  const port = await localProxy(t, NO_SERVER)
  for (const [name, bytes, sqlState] of CASES) {
    const answer = await answerTo(port, bytes)
    t.match(answer, `SFATAL\0VFATAL\0C${sqlState}\0`, name)
  }
})

t.test('an unknown user is refused as one with a wrong password would be', async (t) => {
  const port = await localProxy(t, NO_SERVER, {
    ...TRUST,
    rules: [ruleForAll('scram-sha-256')],
  })
  const body = Buffer.from('SCRAM-SHA-256\0\0\0\0\x10n,,n=,r=abcdefgh')
  const response = Buffer.concat([Buffer.from('p'), int32(body.length + 4), body])
  const broken = Buffer.concat([Buffer.from('p'), int32(9), Buffer.from('nonsen')]).subarray(0, 10)
  const answer = await answerTo(port, Buffer.concat([startup(LOGIN), response, broken]))
  t.match(answer, 'SCRAM-SHA-256', 'the conversation begins')
  t.match(answer, 'r=abcdefgh', 'a salt is made up')
  t.match(answer, 'C08P01', 'and what is malformed ends it')
})
