import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { isMd5Secret, md5Response, md5Secret } from '../../lib/wire/md5.ts'
import { ScramClient } from '../../lib/wire/scram-client.ts'
import {
  fakeScramSecret,
  formatScramSecret,
  keysOfPassword,
  makeScramSecret,
  parseScramSecret,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramKeys,
} from '../../lib/wire/scram-secret.ts'
import { ScramServer } from '../../lib/wire/scram-server.ts'

async function talk(client: ScramClient, server: ScramServer): Promise<ScramKeys | undefined> {
  const first = server.firstMessage(client.firstMessage(), client.mechanism)
  const proof = server.finalMessage(await client.finalMessage(first))
  if (proof !== undefined) client.verify(proof.message)
  return proof?.keys
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
    const server = new ScramServer(secret, { nonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0' })
    const first = server.firstMessage('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
    t.equal(
      first,
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    )
    t.equal(
      server.finalMessage(
        'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      )?.message,
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    )
  })

  t.test('the proof of a client reveals keys that are as good as the password', async (t) => {
    const secret = await makeScramSecret('pencil')
    const keys = await talk(new ScramClient('pencil'), new ScramServer(secret))
    if (keys === undefined) throw new Error('refused')
    t.same(keys, await keysOfPassword('pencil', secret))
    t.equal(await keysOfPassword('pen', secret), undefined)
    const endless = { ...secret, iterations: 999_999_999 }
    t.equal(await keysOfPassword('pencil', endless), undefined, 'not computed at all')
    t.ok(await talk(new ScramClient(keys), new ScramServer(secret)))
    const other = await makeScramSecret('pencil')
    await t.rejects(talk(new ScramClient(keys), new ScramServer(other)), {
      name: 'RouterError',
      sqlState: '28P01',
    })
  })

  t.test('binds to the TLS connection where both ends can', async (t) => {
    const secret = await makeScramSecret('x')
    const channelBinding = randomBytes(32)
    const mechanisms = [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]
    const bound = (binding: Buffer) =>
      talk(
        new ScramClient('x', { channelBinding: binding, mechanisms }),
        new ScramServer(secret, { channelBinding }),
      )
    t.ok(await bound(channelBinding))
    t.ok(await talk(new ScramClient('x'), new ScramServer(secret, { channelBinding })), 'or not')
    t.ok(await talk(new ScramClient('x', { channelBinding }), new ScramServer(secret)), 'not here')
    const failed = { message: 'SCRAM channel binding check failed' }
    await t.rejects(bound(randomBytes(32)), failed, 'another TLS connection')
    await t.rejects(
      talk(new ScramClient('x', { channelBinding }), new ScramServer(secret, { channelBinding })),
      { message: 'SCRAM channel binding negotiation error' },
      'an offer that was cut short on its way',
    )
    const server = new ScramServer(secret)
    t.throws(() => server.firstMessage('p=tls-server-end-point,,n=,r=a', SCRAM_SHA_256_PLUS), {
      message: 'client selected an invalid SASL authentication mechanism',
    })
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
      `r=abc${'d'.repeat(600)},s=QQ==,i=1`,
      `r=abcd,s=${'QUFB'.repeat(100)},i=1`,
      'r=abcd,s=QQ==,i=-1',
      '',
    ]) {
      await t.rejects(
        new ScramClient('x', { nonce: 'abc' }).finalMessage(first),
        broken,
        first.slice(0, 30),
      )
    }
  })
})

t.test('md5 responses are those of Postgres', async (t) => {
  // SELECT 'md5' || md5(md5('p' || 'u') || '\x01020304')
  const secret = md5Secret('u', 'p')
  t.ok(isMd5Secret(secret))
  t.notOk(isMd5Secret('md5'))
  t.equal(
    md5Response(secret, Buffer.from('abcd')),
    `md5${createHash('md5')
      .update(`${createHash('md5').update('pu').digest('hex')}abcd`)
      .digest('hex')}`,
  )
})
