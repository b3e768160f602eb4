import t from 'tap'
import { md5Password } from '../../lib/wire/md5.ts'
import { ScramClient } from '../../lib/wire/scram-client.ts'
import {
  fakeScramSecret,
  formatScramSecret,
  makeScramSecret,
  parseScramSecret,
} from '../../lib/wire/scram-secret.ts'
import { ScramServer } from '../../lib/wire/scram-server.ts'

async function talk(client: ScramClient, server: ScramServer): Promise<boolean> {
  const first = server.firstMessage(client.firstMessage())
  const final = server.finalMessage(await client.finalMessage(first))
  if (final === undefined) return false
  client.verify(final)
  return true
}

t.test('SCRAM-SHA-256', async (t) => {
  t.test('both ends agree on the right password only', async (t) => {
    const secret = await makeScramSecret('pässword')
    t.ok(await talk(new ScramClient('pässword'), new ScramServer(secret)))
    t.notOk(await talk(new ScramClient('password'), new ScramServer(secret)))
    const stored = parseScramSecret(formatScramSecret(secret))
    t.same(stored, secret)
    t.notOk(
      await talk(new ScramClient('x'), new ScramServer(fakeScramSecret('u', Buffer.from('k')))),
    )
  })

  t.test('is the conversation of RFC 7677', async (t) => {
    // the RFC's own example names the user; ours leaves it to the startup packet, so only the secret is comparable
    const secret = await makeScramSecret(
      'pencil',
      Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
    )
    const server = new ScramServer(secret, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0')
    const first = server.firstMessage('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
    t.equal(
      first,
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    )
    t.equal(
      server.finalMessage(
        'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      ),
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    )
  })

  t.test('refuses malformed messages', async (t) => {
    const secret = await makeScramSecret('x')
    const broken = { name: 'ProtocolError', sqlState: '08P01' }
    for (const first of [
      '',
      'p=tls-unique,,n=,r=a',
      'n,,m=x,n=,r=a',
      'n,,n=,r=',
      'n,,n=',
      `n,,n=,r=${'a'.repeat(2000)}`,
    ]) {
      t.throws(() => new ScramServer(secret).firstMessage(first), broken, first.slice(0, 30))
    }
    for (const first of [
      'r=other,s=QQ==,i=4096',
      'r=abc,s=QQ==,i=4096',
      'r=abcd,s=QQ==,i=999999999',
      'r=abcd,s=,i=1',
      '',
    ]) {
      await t.rejects(new ScramClient('x', 'abc').finalMessage(first), broken, first)
    }
  })
})

t.test('md5Password', async (t) => {
  t.equal(md5Password('u', 'p', Buffer.from([1, 2, 3, 4])).length, 35)
})
