import t from 'tap'
import { readHbaRules } from '../../lib/auth/hba-file.ts'
import { Log } from '../../lib/base/log.ts'
import { md5Secret } from '../../lib/wire/md5.ts'
import { formatScramSecret, makeScramKeys, makeScramSecret } from '../../lib/wire/scram-secret.ts'
import { authenticationBy, NO_SERVER } from '../support/authentication.ts'
import { localProxy } from '../support/local-proxy.ts'
import {
  answerTo,
  int32,
  type LoginEnd,
  logIn,
  message,
  startupPacket,
} from '../support/login-dialogue.ts'

const REFUSED = {
  sqlState: '28P01',
  message: 'password authentication failed for user "alice"',
}
const SCRAM = formatScramSecret(await makeScramSecret('secret'))
const SECRETS = {
  plain: 'secret',
  md5: md5Secret('md5', 'secret'),
  scram: SCRAM,
  none: '',
}

t.test('SCRAM-SHA-256', async (t) => {
  const port = await localProxy(t, NO_SERVER, authenticationBy('scram-sha-256', SECRETS))
  for (const user of ['plain', 'scram']) {
    t.equal((await logIn(port, { user, secret: 'secret' })).error, undefined, user)
    t.match((await logIn(port, { user, secret: 'wrong' })).error, { sqlState: '28P01' }, user)
  }
  for (const user of ['md5', 'none', 'nobody']) {
    const { error } = await logIn(port, { user, secret: 'secret' })
    t.match(error, { sqlState: '28P01' }, `${user} has no SCRAM secret`)
  }
})

t.test('md5, and SCRAM for those who have a SCRAM secret', async (t) => {
  const { plain, md5, none } = SECRETS
  const port = await localProxy(t, NO_SERVER, authenticationBy('md5', { plain, md5, none }))
  for (const user of ['plain', 'md5', 'none', 'nobody']) {
    const { asked, error } = await logIn(port, { user, clearText: 'md5'.padEnd(35, '0') })
    t.same(asked, ['md5'], user)
    t.match(error, { sqlState: '28P01' }, user)
  }
  const mixed = await localProxy(t, NO_SERVER, authenticationBy('md5', SECRETS))
  t.equal((await logIn(mixed, { user: 'scram', secret: 'secret' })).error, undefined)
})

t.test('a password in clear, where that is allowed', async (t) => {
  const careful = await localProxy(t, NO_SERVER, authenticationBy('password', SECRETS))
  const { asked, error } = await logIn(careful, { user: 'plain', secret: 'secret' })
  t.same(asked, [], 'is not even asked for without TLS')
  t.match(error, { sqlState: '28000', message: /encrypted connection only/ })
  const options = authenticationBy('password', SECRETS, { allowsPlainPassword: true })
  const port = await localProxy(t, NO_SERVER, options)
  for (const user of ['plain', 'md5', 'scram']) {
    t.equal((await logIn(port, { user, secret: 'secret' })).error, undefined, user)
    t.match((await logIn(port, { user, secret: 'wrong' })).error, { sqlState: '28P01' }, user)
    t.match((await logIn(port, { user, secret: '' })).error, { sqlState: '28P01' }, user)
  }
  // the md5 and SCRAM secrets are not passwords themselves
  t.match((await logIn(port, { user: 'md5', secret: SECRETS.md5 })).error, { sqlState: '28P01' })
  t.match((await logIn(port, { user: 'none', secret: '' })).error, { sqlState: '28P01' })
  t.match((await logIn(port, { user: 'nobody', secret: 'secret' })).error, { sqlState: '28P01' })
})

t.test('a rule of type hostnossl allows a password in clear', async (t) => {
  const rules = readHbaRules('hostnossl all plain all password\nhost all all all password', 'x')
  const port = await localProxy(t, NO_SERVER, authenticationBy('trust', SECRETS, { rules }))
  t.equal((await logIn(port, { user: 'plain', secret: 'secret' })).error, undefined)
  t.match((await logIn(port, { user: 'scram', secret: 'secret' })).error, { sqlState: '28000' })
})

t.test('hba rules refuse in the words of Postgres', async (t) => {
  const rules = readHbaRules('host all bad all reject\nhost app good all trust', 'x')
  const port = await localProxy(t, NO_SERVER, authenticationBy('trust', {}, { rules }))
  t.equal((await logIn(port, { user: 'good' })).error, undefined)
  t.same((await logIn(port, { user: 'other' })).error, {
    sqlState: '28000',
    message:
      'no pg_hba.conf entry for host "127.0.0.1", user "other", database "app", no encryption',
  })
  t.same((await logIn(port, { user: 'bad' })).error, {
    sqlState: '28000',
    message:
      'pg_hba.conf rejects connection for host "127.0.0.1", user "bad", database "app", no encryption',
  })
})

function saltOf({ asked }: LoginEnd): string {
  return /s=.*$/.exec(asked[1] ?? '')?.[0] ?? ''
}

t.test('PgBouncer 1.15: nobody learns which users and databases exist', async (t) => {
  const options = authenticationBy('scram-sha-256', { plain: 'secret', scram: SCRAM })
  const port = await localProxy(t, NO_SERVER, options)
  const ask = (user: string, database = 'app') => logIn(port, { user, database, secret: 'x' })
  const unknown = await ask('alice')
  t.same(unknown.error, REFUSED)
  t.equal(unknown.asked.length, 2, 'the whole conversation takes place')
  t.equal(saltOf(await ask('alice')), saltOf(unknown), 'with a salt that stays the same')
  t.not(saltOf(await ask('bob')), saltOf(unknown), 'and is the name\u2019s own')
  t.match(saltOf(unknown), /^s=[A-Za-z0-9+/]{22}==,i=4096$/)
  const another = await localProxy(t, NO_SERVER, options)
  const there = await logIn(another, { user: 'alice', secret: 'x' })
  t.equal(saltOf(there), saltOf(unknown), 'also in another process')
  const plain = await ask('plain')
  const plainThere = await logIn(another, { user: 'plain', secret: 'x' })
  t.equal(saltOf(plain), saltOf(plainThere), 'as that of users whose password is known')
  t.same((await ask('alice', 'no such database')).error, REFUSED)
})

t.test('CVE-2026-6664: lengths are checked before anything is read or allocated', async (t) => {
  const options = authenticationBy('scram-sha-256', { scram: SCRAM })
  const port = await localProxy(t, NO_SERVER, options)
  const startup = startupPacket({ user: 'scram', database: 'app' })
  const header = (length: number) => Buffer.concat([Buffer.from('p'), int32(length)])
  const cases: readonly (readonly [string, Buffer])[] = [
    ['a startup packet of 10 kB and more', startupPacket({ user: 'x'.repeat(11_000) })],
    ['a SASL message of 64 kB and more', Buffer.concat([startup, header(0x1_0001)])],
    ['a SASL message of 4 GB', Buffer.concat([startup, header(0xffff_ffff)])],
    ['a SASL message shorter than its length', Buffer.concat([startup, header(3)])],
    [
      'a SASL response longer than its message',
      Buffer.concat([
        startup,
        message('p', Buffer.from('SCRAM-SHA-256\0\x7f\xff\xff\xff', 'latin1')),
      ]),
    ],
    [
      'a SCRAM message of 60 kB',
      Buffer.concat([
        startup,
        message(
          'p',
          Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), int32(60_000), Buffer.alloc(60_000, 97)]),
        ),
      ]),
    ],
    ['a query before the login', Buffer.concat([startup, message('Q', 'SELECT 1\0')])],
  ]
  for (const [name, bytes] of cases) t.match(await answerTo(port, bytes), 'C08P01', name)
})

t.test('CVE-2012-4575: no name that a client sends ends the process', async (t) => {
  const port = await localProxy(t, NO_SERVER, authenticationBy('trust', {}))
  const names = ['x'.repeat(5000), '\u0001\u001b[2J', '"; DROP', '\ufffd', '%s%n', '__proto__']
  for (const name of names) {
    const answer = await answerTo(port, startupPacket({ user: name, database: name }))
    t.match(answer, 'SFATAL', JSON.stringify(name.slice(0, 10)))
  }
  t.equal((await logIn(port, { user: 'app' })).error, undefined, 'others are served')
})

t.test('CVE-2023-22332: no password, secret or key is logged', async (t) => {
  const lines: string[] = []
  const log = new Log('debug', {}, (line) => lines.push(line))
  const password = 'correct horse'
  const secret = await makeScramSecret(password)
  const scram = formatScramSecret(secret)
  const md5 = md5Secret('md5', password)
  for (const method of ['scram-sha-256', 'md5', 'password'] as const) {
    const options = authenticationBy(
      method,
      { plain: password, scram, md5 },
      { allowsPlainPassword: true },
    )
    const port = await localProxy(t, NO_SERVER, options, undefined, undefined, { log })
    for (const user of ['plain', 'scram', 'md5', 'nobody']) {
      await logIn(port, { user, secret: password })
      await logIn(port, { user, secret: 'battery staple' })
    }
  }
  const text = lines.join('')
  t.match(text, 'client refused')
  const keys = await makeScramKeys(password, secret.salt, secret.iterations)
  const base64 = [secret.storedKey, secret.serverKey, keys.clientKey].map((key) =>
    key.toString('base64'),
  )
  for (const hidden of [password, 'battery staple', scram, md5, md5.slice(3), ...base64]) {
    t.notOk(text.includes(hidden), hidden.slice(0, 8))
  }
})
