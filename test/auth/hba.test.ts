import t from 'tap'
import { readHbaRules } from '../../lib/auth/hba-file.ts'
import { type HbaClient, matchingRule } from '../../lib/auth/hba-rules.ts'
import { isMapped, readIdentMap } from '../../lib/auth/ident-map.ts'

const FILE = `
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     trust
host    replication     all             all                     trust
hostssl "all"           alice           all                     cert map=people
hostssl all             carol           10.0.0.0/8              cert  # comment
host    all             "all"           all                     reject
host    app, shop       bob,"b ""o"     127.0.0.0 255.0.0.0     md5
hostnossl sameuser      all             ::1/128                 scram-sha-256
host    all             dave \\
        192.168.1.7/32  password
host    all             erin             samehost               trust
`
const RULES = readHbaRules(FILE, 'pg_hba.conf')

function methodFor(client: Partial<HbaClient>): string | undefined {
  const base = { user: 'x', database: 'app', address: '127.0.0.1', isEncrypted: false }
  return matchingRule(RULES, { ...base, ...client })?.method
}

t.test('the first rule that matches holds', async (t) => {
  t.equal(methodFor({ address: undefined }), 'trust', 'a Unix socket')
  t.equal(methodFor({}), undefined, 'nobody else')
  t.equal(methodFor({ user: 'bob' }), 'md5')
  t.equal(methodFor({ user: 'bob', database: 'shop' }), 'md5')
  t.equal(methodFor({ user: 'b "o' }), 'md5', 'quotes within quotes')
  t.equal(methodFor({ user: 'bob', database: 'other' }), undefined)
  t.equal(methodFor({ user: 'bob', address: '128.0.0.1' }), undefined)
  t.equal(methodFor({ user: 'all' }), 'reject', 'a quoted keyword is a name')
  t.equal(methodFor({ user: 'alice', database: 'all', isEncrypted: true }), 'cert')
  t.equal(methodFor({ user: 'alice', isEncrypted: true }), undefined)
  t.equal(methodFor({ user: 'carol', address: '10.9.8.7' }), undefined, 'hostssl')
  t.equal(methodFor({ user: 'carol', address: '10.9.8.7', isEncrypted: true }), 'cert')
  t.equal(methodFor({ user: 'x', database: 'x', address: '::1' }), 'scram-sha-256')
  t.equal(methodFor({ user: 'x', database: 'x', address: '::1', isEncrypted: true }), undefined)
  t.equal(methodFor({ user: 'dave', address: '192.168.1.7' }), 'password', 'a continued line')
  t.equal(methodFor({ user: 'erin' }), 'trust', 'our own address')
  t.equal(methodFor({ user: 'erin', address: '203.0.113.1' }), undefined)
})

t.test(
  'a file that cannot be used is refused whole, with all lines that are at fault',
  async (t) => {
    const faults = [
      'hostx all all all trust',
      'host all',
      'host all +admins all trust',
      'host all all example.com trust',
      'host all all 10.0.0.0/33 trust',
      'host all all 10.0.0.1 trust',
      'host all all 10.0.0.1 255.0.255.0 trust',
      'host all all all ldap',
      'host all all all cert',
      'host all all all md5 map=x',
      'hostssl all all all cert clientcert=verify-ca',
      'host all @users all trust',
      'host all "all all trust',
      'include other.conf',
      'hostgssenc all all all trust',
      'host samerole all all trust',
    ]
    const lines = faults.map((_, index) => `x:${index + 2}: `)
    try {
      readHbaRules(`host all all all trust\n${faults.join('\n')}`, 'x')
      t.fail('accepted')
    } catch (error) {
      const found = (error as Error).message.split('\n')
      const ordered = [...found].sort((a, b) => lineOf(a) - lineOf(b))
      t.same(
        ordered.map((fault) => fault.slice(0, fault.indexOf(' ') + 1)),
        lines,
      )
      t.match(found.join('\n'), 'host names are not supported')
    }
  },
)

function lineOf(fault: string): number {
  return Number(fault.split(':')[1])
}

t.test('names of certificates are mapped to users', async (t) => {
  const map = readIdentMap(
    'people /^(.*)@example\\.com$ \\1\npeople boss all\npeople x y',
    'pg_ident.conf',
  )
  t.ok(isMapped(map, 'people', ['alice@example.com'], 'alice'))
  t.notOk(isMapped(map, 'people', ['alice@example.com'], 'bob'))
  t.notOk(isMapped(map, 'people', ['alice'], 'alice'), 'without the map it would')
  t.ok(isMapped(map, 'people', ['boss'], 'anyone'))
  t.ok(isMapped(map, 'people', ['x'], 'y'))
  t.notOk(isMapped(map, 'others', ['x'], 'y'))
  t.ok(isMapped(map, undefined, ['x'], 'x'))
  t.throws(() => readIdentMap('a b', 'i'), { message: /^i:1: / })
  t.throws(() => readIdentMap('a /( b', 'i'), { message: /^i:1: / })
})
