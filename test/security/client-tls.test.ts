import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import type { AuthenticatorOptions } from '../../lib/auth/authenticator.ts'
import { readHbaRules } from '../../lib/auth/hba-file.ts'
import { ClientTls } from '../../lib/session/client/client-tls.ts'
import { tlsServerEndPoint } from '../../lib/wire/channel-binding.ts'
import { formatScramSecret, makeScramSecret } from '../../lib/wire/scram-secret.ts'
import type { SslMode, TlsOptions } from '../../lib/wire/tls-options.ts'
import { authenticationBy, NO_SERVER } from '../support/authentication.ts'
import { makeCertificates, NEEDS_OPENSSL } from '../support/certificates.ts'
import { localProxy } from '../support/local-proxy.ts'
import {
  answerTo,
  GSSENC_REQUEST,
  logIn,
  SSL_REQUEST,
  startupPacket,
} from '../support/login-dialogue.ts'

t.test('TLS towards clients', { skip: NEEDS_OPENSSL }, async (t) => {
  const certificates = makeCertificates(t)
  const { ca, server } = certificates
  const SCRAM = formatScramSecret(await makeScramSecret('secret'))
  const scram = authenticationBy('scram-sha-256', { alice: SCRAM })
  const tlsOf = (sslmode: SslMode): TlsOptions => ({
    sslmode,
    context: { key: server.key, cert: server.cert, ca, minVersion: 'TLSv1.2' },
  })
  const proxy = (options: AuthenticatorOptions, sslmode: SslMode = 'prefer') =>
    localProxy(t, NO_SERVER, options, undefined, tlsOf(sslmode))
  const alice = { user: 'alice', secret: 'secret' }

  t.test('is had by SSLRequest and by direct negotiation, or not at all', async (t) => {
    const port = await proxy(scram)
    t.equal((await logIn(port, alice)).error, undefined, 'plain')
    t.equal((await logIn(port, { ...alice, tls: { ca } })).error, undefined, 'SSLRequest')
    const direct = { ...alice, direct: true }
    const ALPNProtocols = ['postgresql']
    t.equal((await logIn(port, { ...direct, tls: { ca, ALPNProtocols } })).error, undefined)
    await t.rejects(logIn(port, { ...direct, tls: { ca } }), 'direct, but without ALPN')
    await t.rejects(logIn(port, { ...direct, tls: { ca, ALPNProtocols: ['h2'] } }))
    await t.rejects(logIn(port, { ...alice, tls: { ca, maxVersion: 'TLSv1.1' } }), 'too old')
    const without = await localProxy(t, NO_SERVER, scram)
    await t.rejects(logIn(without, { ...alice, tls: { ca } }), { message: 'no TLS: N' })
  })

  t.test('is enforced where it is required', async (t) => {
    const port = await proxy({ ...scram, requiresEncryption: true }, 'require')
    t.match((await logIn(port, alice)).error, { sqlState: '28000', message: 'SSL required' })
    t.equal((await logIn(port, { ...alice, tls: { ca } })).error, undefined)
  })

  t.test('binds SCRAM to it', async (t) => {
    const port = await proxy(scram)
    const channelBinding = tlsServerEndPoint(new X509Certificate(server.cert).raw)
    const bound = await logIn(port, { ...alice, tls: { ca }, channelBinding })
    t.equal(bound.error, undefined)
    t.equal(bound.asked[0], 'SCRAM-SHA-256-PLUS,SCRAM-SHA-256')
    const other = tlsServerEndPoint(new X509Certificate(certificates.stranger.cert).raw)
    const { error } = await logIn(port, { ...alice, tls: { ca }, channelBinding: other })
    t.match(error, { message: 'SCRAM channel binding check failed' })
    t.same((await logIn(port, alice)).asked[0], 'SCRAM-SHA-256', 'not offered without TLS')
  })

  t.test('knows users by their certificates', async (t) => {
    const rules = readHbaRules(
      'hostssl all alice all cert\nhostssl all carol all cert clientname=SAN\nhostssl all all all trust clientcert=verify-ca',
      'x',
    )
    const port = await proxy(authenticationBy('trust', {}, { rules }))
    const of = (name: string, alternative?: string) => {
      const { key, cert } = certificates.client(name, alternative)
      return { ca, key, cert }
    }
    const own = of('alice')
    t.equal((await logIn(port, { user: 'alice', tls: own })).error, undefined)
    t.match((await logIn(port, { user: 'alice', tls: of('bob') })).error, { sqlState: '28000' })
    t.equal((await logIn(port, { user: 'dave', tls: of('bob') })).error, undefined, 'any valid one')
    t.equal((await logIn(port, { user: 'carol', tls: of('c', 'email:carol') })).error, undefined)
    const { key, cert } = certificates.stranger
    for (const tls of [{ ca }, { ca, key, cert }]) {
      t.match((await logIn(port, { user: 'alice', tls })).error, {
        message: 'connection requires a valid client certificate',
      })
    }
  })

  t.test('verify-ca lets nobody in without a valid certificate', async (t) => {
    const options = { ...scram, requiresEncryption: true, requiresCertificate: true }
    const port = await proxy(options, 'verify-ca')
    const { key, cert } = certificates.client('anyone')
    t.equal((await logIn(port, { ...alice, tls: { ca, key, cert } })).error, undefined)
    t.match((await logIn(port, { ...alice, tls: { ca } })).error, { sqlState: '28000' })
  })

  t.test('CVE-2021-23214, CVE-2021-3935: no byte before the handshake is believed', async (t) => {
    const port = await proxy(authenticationBy('trust', {}))
    const login = startupPacket({ user: 'app', database: 'app' })
    const injected = await answerTo(port, Buffer.concat([SSL_REQUEST, login]))
    t.match(injected, /^E.*C08P01/s, 'not even S is said')
    t.match(await answerTo(port, Buffer.concat([SSL_REQUEST, login.subarray(0, 3)])), /^E/)
    t.match(await answerTo(port, Buffer.concat([GSSENC_REQUEST, login])), /^E.*C08P01/s)
    // what comes after S, but is no handshake
    const late = await new Promise<string>((resolve) => {
      let answer = ''
      const socket = connect({ host: '127.0.0.1', port }, () => socket.write(SSL_REQUEST))
      socket.on('data', (chunk) => {
        if (answer === '') socket.write(login)
        answer += chunk.toString('latin1')
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(answer))
    })
    t.notMatch(late, 'R\0\0\0', 'is not a login')
  })

  t.test('certificates are replaced without dropping anyone', async (t) => {
    const tls = new ClientTls(tlsOf('prefer'))
    t.throws(() => tls.reload({ sslmode: 'prefer', context: { key: 'no', cert: 'no' } }))
    t.ok(tls.isOffered, 'a broken pair changes nothing')
    const { key, cert } = certificates.stranger
    tls.reload({ sslmode: 'prefer', context: { key, cert } })
    tls.reload({ sslmode: 'disable', context: {} })
    t.notOk(tls.isOffered)
  })

  t.test('a client that breaks off its handshake harms nobody', async (t) => {
    const port = await proxy(scram)
    const hello = connectTls({ host: '127.0.0.1', port, ca, ALPNProtocols: ['postgresql'] })
    hello.on('error', () => undefined)
    hello.destroy()
    t.equal((await logIn(port, { ...alice, tls: { ca } })).error, undefined)
  })
})

t.test('the hash that is bound to is that of the certificate\u2019s signature', async (t) => {
  t.equal(tlsServerEndPoint(readFileSync(process.execPath).subarray(0, 100)), undefined)
})
