import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { HeldCredentials } from '../../lib/auth/held-credentials.ts'
import { Log } from '../../lib/base/log.ts'
import { completeConfig } from '../../lib/config/config-loader.ts'
import { Access } from '../../lib/proxy/access.ts'
import { md5Secret } from '../../lib/wire/md5.ts'
import { formatScramSecret, makeScramKeys, makeScramSecret } from '../../lib/wire/scram-secret.ts'
import { makeCertificates, NEEDS_OPENSSL } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/postgres-cluster.ts'

const SCRAM = formatScramSecret(await makeScramSecret('secret'))
const quiet = new Log('error', {}, () => undefined)

const HERE = {
  database: 'app',
  address: '127.0.0.1',
  isEncrypted: false,
  certificate: undefined,
  channelBinding: undefined,
}

function configWith(content: object) {
  return completeConfig({ databases: [{ name: 'app', host: '127.0.0.1' }], ...content })
}

function access(content: object): Access {
  return new Access(configWith(content), quiet)
}

t.test('what servers are told of a user', async (t) => {
  const users = [
    { name: 'plain', password: 'a' },
    { name: 'other', password: 'a', server_password: 'b' },
    { name: 'scram', scram_secret: SCRAM },
    { name: 'md5', md5_secret: md5Secret('md5', 'a') },
  ]
  const own = access({ users })
  t.same(own.credentialOf('app', 'plain'), { kind: 'password', password: 'a' })
  t.same(own.credentialOf('app', 'other'), { kind: 'password', password: 'b' })
  t.same(own.credentialOf('app', 'md5'), { kind: 'md5', secret: md5Secret('md5', 'a') })
  t.equal(own.credentialOf('app', 'scram'), undefined, 'a secret alone is not enough')
  const keys = await makeScramKeys('secret', Buffer.from('salt'), 4096)
  const letGo = own.credentials.hold('app', 'scram', { kind: 'scram-keys', keys })
  t.same(own.credentialOf('app', 'scram'), { kind: 'scram-keys', keys }, 'what was proved is')
  t.equal(own.credentialOf('elsewhere', 'scram'), undefined)
  letGo()
  t.equal(own.credentialOf('app', 'scram'), undefined)
})

t.test(
  'Multigres, key hygiene: keys are held while a session of their user lasts, and overwritten then',
  async (t) => {
    const held = new HeldCredentials()
    const keys = await makeScramKeys('x', Buffer.from('salt'), 1)
    const first = held.hold('d', 'u', { kind: 'scram-keys', keys })
    const second = held.hold('d', 'u', { kind: 'md5', secret: 'm' })
    t.same(held.of('d', 'u'), { kind: 'md5', secret: 'm' }, 'the youngest login counts')
    const third = held.hold('d', 'u', { kind: 'scram-keys', keys })
    second()
    const lent = held.of('d', 'u')
    third()
    first()
    t.equal(held.of('d', 'u'), undefined)
    t.same(lent, { kind: 'scram-keys', keys }, 'what was lent stays good')
  },
)

t.test('a reload takes everything, or nothing', async (t) => {
  const file = join(temporaryDirectory(t), 'hba.conf')
  const auth = { type: 'hba', hba_file: file }
  writeFileSync(file, 'host all alice all trust\n')
  const own = access({ auth })
  const isLetIn = (user: string) =>
    own.authenticator.challenge({ ...HERE, user }).then(
      () => true,
      () => false,
    )
  t.same([await isLetIn('alice'), await isLetIn('bob')], [true, false])
  writeFileSync(file, 'host all bob all trust\n')
  t.same([await isLetIn('alice'), await isLetIn('bob')], [true, false], 'not before it is asked')
  own.reload(configWith({ auth }))
  t.same([await isLetIn('alice'), await isLetIn('bob')], [false, true])
  writeFileSync(file, 'host all alice all trust\nhost all\n')
  const wrong = { name: 'UsageError', message: `${file}:2: end of line before the user` }
  t.throws(() => own.reload(configWith({ auth })), wrong)
  t.throws(() => access({ auth }), wrong)
  t.same([await isLetIn('alice'), await isLetIn('bob')], [false, true])
})

t.test('certificates are read again by a reload', { skip: NEEDS_OPENSSL }, async (t) => {
  const { directory, server, client } = makeCertificates(t)
  const [key, cert] = [join(directory, 'our.key'), join(directory, 'our.crt')]
  const put = (pair: { keyFile: string; certFile: string }) => {
    copyFileSync(pair.keyFile, key)
    copyFileSync(pair.certFile, cert)
  }
  put(server)
  const content = { tls: { client: { sslmode: 'prefer', key_file: key, cert_file: cert } } }
  const own = access(content)
  t.ok(own.clientTls.isOffered)
  put(client('renewed'))
  own.reload(configWith(content))
  copyFileSync(server.keyFile, key)
  t.throws(() => own.reload(configWith(content)), { name: 'UsageError', message: /^tls\.client: / })
  t.ok(own.clientTls.isOffered, 'a key that does not fit changes nothing')
})

t.test('method any lets in whoever comes, cert is for certificates only', async (t) => {
  const any = access({
    auth: { type: 'any' },
    databases: [{ name: 'app', host: '127.0.0.1', user: 'someone' }],
  })
  t.same(await any.authenticator.challenge({ ...HERE, user: 'x' }), { kind: 'none' })
})

t.test('rules for members of roles need somebody who may ask for them', async (t) => {
  const file = join(temporaryDirectory(t), 'hba.conf')
  writeFileSync(file, 'host all all all md5\nhost all +staff all md5\n')
  const auth = { type: 'hba', hba_file: file }
  t.throws(() => access({ auth }), { message: /hba\.conf:2: .*auth_user/ })
  t.doesNotThrow(() => access({ auth: { ...auth, auth_user: 'asker' } }))
  t.doesNotThrow(() => access({ auth, databases: [{ name: 'app', host: 'h', sharded: true }] }))
})

t.test('rules that it cannot follow are told', async (t) => {
  const file = join(temporaryDirectory(t), 'hba.conf')
  writeFileSync(file, 'host all all all md5\nhost all all all ldap ldapserver=x\n')
  const own = access({ auth: { type: 'hba', hba_file: file } })
  t.match(own.warnings, [/hba\.conf:2: authentication method ldap is not supported/])
})

t.test('the file that cannot be used is named', async (t) => {
  const directory = temporaryDirectory(t)
  const [key, cert] = ['key', 'cert'].map((name) => join(directory, name)) as [string, string]
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(cert, 'nonsense')
  const tls = { client: { sslmode: 'require', key_file: key, cert_file: cert } }
  t.throws(() => access({ tls }), { message: new RegExp(`cert_file ${cert} holds no certificate`) })
  writeFileSync(key, 'nonsense')
  t.throws(() => access({ tls }), { message: new RegExp(`key_file ${key} holds no private key`) })
})
