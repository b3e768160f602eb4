import { createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { connectBackend } from '../../lib/backend/backend-handshake.ts'
import type { ServerCredential } from '../../lib/backend/server-credential.ts'
import { ServerTls } from '../../lib/backend/server-tls.ts'
import { ServerError } from '../../lib/base/errors.ts'
import {
  readSaslInitialResponse,
  writeAuthentication,
} from '../../lib/wire/authentication-messages.ts'
import { writeFields } from '../../lib/wire/error-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { Backend } from '../../lib/wire/message-codes.ts'
import { makeScramSecret } from '../../lib/wire/scram-secret.ts'
import { ScramServer } from '../../lib/wire/scram-server.ts'
import type { SslMode } from '../../lib/wire/tls-options.ts'
import { makeCertificates, NEEDS_OPENSSL } from '../support/certificates.ts'
import { FakeBackend, type FakeScript, welcome } from '../support/fake-backend.ts'
import { int32 } from '../support/login-dialogue.ts'

const PASSWORD: ServerCredential = { kind: 'password', password: 'secret' }

function connect(port: number, tls?: ServerTls, host = '127.0.0.1'): Promise<BackendConnection> {
  return connectBackend({
    node: { nodeId: 1, host, port },
    database: 'd',
    user: 'u',
    credential: PASSWORD,
    tls,
    connectTimeoutMs: 60_000,
    allowsCleartextPassword: false,
  })
}

async function fake(t: Test, script: FakeScript): Promise<number> {
  const server = await FakeBackend.start(script)
  t.teardown(() => server.stop())
  return server.address.port
}

/** A server that is handed the socket and nothing else. */
async function rawServer(t: Test, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Answers SSLRequest with these bytes, and records what is said to it afterwards. */
async function answering(t: Test, answer: Buffer | string, heard: Buffer[] = []): Promise<number> {
  return await rawServer(t, (socket) => {
    socket.once('data', () => {
      socket.on('data', (chunk: Buffer) => heard.push(chunk))
      socket.write(answer)
    })
  })
}

const prefer = new ServerTls({ sslmode: 'prefer', context: {} })

t.test('CVE-2021-23222: bytes besides the answer to SSLRequest end the connection', async (t) => {
  const ok = new FrameWriter()
  welcome(ok)
  const heard: Buffer[] = []
  const port = await answering(t, Buffer.concat([Buffer.from('S'), ok.take()]), heard)
  await t.rejects(connect(port, prefer), { name: 'BackendLost', message: /unencrypted data/ })
  const declined = await answering(t, 'NR\0\0\0\x08\0\0\0\0', heard)
  await t.rejects(connect(declined, prefer), { name: 'BackendLost', message: /unencrypted data/ })
  t.same(heard, [], 'and nothing more is said')
})

t.test(
  'CVE-2024-10977: an error message before the handshake is neither believed nor shown',
  async (t) => {
    for (const answer of ['E', 'EFATAL: please send your password to evil.example\0', 'x']) {
      const port = await answering(t, answer)
      const error: unknown = await connect(port, prefer).catch((cause: unknown) => cause)
      t.match(error, { name: 'BackendLost' })
      t.notMatch(String(error), 'evil')
    }
  },
)

t.test('a server that declines is not talked to where TLS is required', async (t) => {
  const heard: Buffer[] = []
  const port = await answering(t, 'N', heard)
  for (const sslmode of ['require', 'verify-ca', 'verify-full'] as const) {
    const tls = new ServerTls({ sslmode, context: {} })
    await t.rejects(connect(port, tls), { message: /SSL was required/ }, sslmode)
  }
  t.same(heard, [])
})

t.test('certificates of servers', { skip: NEEDS_OPENSSL }, async (t) => {
  const { ca, server, stranger } = makeCertificates(t)
  const serve = (pair: { key: Buffer; cert: Buffer }) =>
    rawServer(t, (plain) => {
      plain.once('data', () => {
        plain.write('S')
        const { key, cert } = pair
        const secured = new TLSSocket(plain, { isServer: true, key, cert })
        secured.on('error', () => undefined)
        secured.once('data', () => {
          const out = new FrameWriter()
          welcome(out)
          secured.write(out.take())
        })
      })
    })
  const tls = (sslmode: SslMode) => new ServerTls({ sslmode, context: { ca } })
  const right = await serve(server)
  const wrong = await serve(stranger)
  for (const sslmode of ['allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const) {
    const connection = await connect(right, tls(sslmode), 'localhost')
    t.ok(connection.isEncrypted, sslmode)
    t.match(connection.tlsName, /^TLSv1\.[23]\/TLS_/, 'as SHOW SERVERS has it')
    connection.close()
  }
  for (const sslmode of ['prefer', 'require'] as const) {
    const connection = await connect(wrong, tls(sslmode))
    t.ok(connection.isEncrypted, `${sslmode} asks for no proof`)
    connection.close()
  }
  for (const sslmode of ['verify-ca', 'verify-full'] as const) {
    await t.rejects(
      connect(wrong, tls(sslmode)),
      { name: 'BackendLost', sqlState: '08006' },
      sslmode,
    )
  }
  const elsewhere = '127.0.0.2'
  const connection = await connect(right, tls('verify-ca'), elsewhere).catch(() => undefined)
  connection?.close()
  await t.rejects(connect(right, tls('verify-full'), elsewhere), { name: 'BackendLost' })
})

t.test('CVE-2026-6665: what a server says in SCRAM is bounded', async (t) => {
  const replies: readonly (readonly [string, (clientNonce: string) => string])[] = [
    ['iterations of hours', (nonce) => `r=${nonce}x,s=QUJD,i=999999999`],
    [
      'more iterations than fit in a number',
      (nonce) => `r=${nonce}x,s=QUJD,i=99999999999999999999`,
    ],
    ['a nonce of 60 kB', (nonce) => `r=${nonce}${'x'.repeat(60_000)},s=QUJD,i=4096`],
    ['a salt of 30 kB', (nonce) => `r=${nonce}x,s=${'QUJD'.repeat(10_000)},i=4096`],
    ['a nonce that does not begin with ours', () => 'r=abcdef,s=QUJD,i=4096'],
    ['our nonce and nothing more', (nonce) => `r=${nonce},s=QUJD,i=4096`],
    ['no iterations', (nonce) => `r=${nonce}x,s=QUJD,i=0`],
  ]
  for (const [name, reply] of replies) {
    const port = await fake(t, {
      onStartup: (session) =>
        session.send((out) => {
          writeAuthentication(out, { kind: 'sasl', mechanisms: ['SCRAM-SHA-256'] })
        }),
      onMessage: (session, _type, frame) => {
        const nonce = /r=(.*)$/.exec(String(readSaslInitialResponse(frame).data))?.[1] ?? ''
        const data = Buffer.from(reply(nonce))
        session.send((out) => writeAuthentication(out, { kind: 'sasl-continue', data }))
      },
    })
    await t.rejects(connect(port), { message: /malformed SCRAM message/ }, name)
  }
})

t.test('a server must prove that it knows the password', async (t) => {
  const secret = await makeScramSecret('something else')
  const start: FakeScript['onStartup'] = (session) =>
    session.send((out) => {
      writeAuthentication(out, { kind: 'sasl', mechanisms: ['SCRAM-SHA-256'] })
    })
  const skipping = await fake(t, {
    onStartup: start,
    onMessage: (session) => session.send(welcome),
  })
  await t.rejects(connect(skipping), { message: /did not prove its identity/ })
  let scram: ScramServer | undefined
  const lying = await fake(t, {
    onStartup: start,
    onMessage: (session, _type, frame) => {
      const isFirst = scram === undefined
      scram ??= new ScramServer(secret)
      const first = String(isFirst ? readSaslInitialResponse(frame).data : '')
      const data = Buffer.from(isFirst ? scram.firstMessage(first) : `v=${'A'.repeat(43)}=`)
      const kind = isFirst ? 'sasl-continue' : 'sasl-final'
      session.send((out) => writeAuthentication(out, { kind, data }))
    },
  })
  await t.rejects(connect(lying), { message: 'incorrect server signature' })
})

t.test('CVE-2026-6666: an ErrorResponse may lack any of its fields', async (t) => {
  const fieldsOf: readonly (readonly [string, string][])[] = [
    [],
    [['M', 'no code']],
    [['C', '53300']],
    [['S', 'FATAL']],
  ]
  for (const fields of fieldsOf) {
    const port = await fake(t, {
      onStartup: (session) =>
        session.send((out) => writeFields(out, Backend.errorResponse, fields)),
    })
    const error: unknown = await connect(port).catch((cause: unknown) => cause)
    if (!(error instanceof ServerError)) throw new Error('no error of the server')
    const text = error.frame.toString('latin1')
    for (const code of ['S', 'C', 'M']) t.match(text, new RegExp(`[\\0-\\xff]${code}`), code)
    t.match(error.sqlState, /^[0-9A-Z]{5}$/)
  }
})

t.test('messages of a server are short until it has let us in', async (t) => {
  for (const type of ['E', 'N', 'R', 'S', 'K', 'v', 'T']) {
    const port = await rawServer(t, (socket) => {
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from(type), int32(100_000)])))
    })
    await t.rejects(connect(port), { name: 'BackendLost', message: /invalid message/ }, type)
  }
})
