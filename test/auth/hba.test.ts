import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readHbaRules } from '../../lib/auth/hba-file.ts'
import { type HbaClient, type HbaQuestions, matchingRule } from '../../lib/auth/hba-rules.ts'
import { hostNameOf } from '../../lib/auth/host-name.ts'
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

const HERE = { user: 'x', database: 'app', address: '127.0.0.1', isEncrypted: false }

/** Nothing may be asked. */
const NOBODY: HbaQuestions = {
  roles: () => Promise.reject(new Error('roles')),
  hostName: () => Promise.reject(new Error('host name')),
}

async function methodFor(client: Partial<HbaClient>): Promise<string | undefined> {
  return (await matchingRule(RULES, { ...HERE, ...client }, NOBODY))?.method
}

t.test('the first rule that matches holds', async (t) => {
  t.equal(await methodFor({ address: undefined }), 'trust', 'a Unix socket')
  t.equal(await methodFor({}), undefined, 'nobody else')
  t.equal(await methodFor({ user: 'bob' }), 'md5')
  t.equal(await methodFor({ user: 'bob', database: 'shop' }), 'md5')
  t.equal(await methodFor({ user: 'b "o' }), 'md5', 'quotes within quotes')
  t.equal(await methodFor({ user: 'bob', database: 'other' }), undefined)
  t.equal(await methodFor({ user: 'bob', address: '128.0.0.1' }), undefined)
  t.equal(await methodFor({ user: 'all' }), 'reject', 'a quoted keyword is a name')
  t.equal(await methodFor({ user: 'alice', database: 'all', isEncrypted: true }), 'cert')
  t.equal(await methodFor({ user: 'alice', isEncrypted: true }), undefined)
  t.equal(await methodFor({ user: 'carol', address: '10.9.8.7' }), undefined, 'hostssl')
  t.equal(await methodFor({ user: 'carol', address: '10.9.8.7', isEncrypted: true }), 'cert')
  t.equal(await methodFor({ user: 'x', database: 'x', address: '::1' }), 'scram-sha-256')
  t.equal(
    await methodFor({ user: 'x', database: 'x', address: '::1', isEncrypted: true }),
    undefined,
  )
  t.equal(await methodFor({ user: 'dave', address: '192.168.1.7' }), 'password', 'a continued line')
  t.equal(await methodFor({ user: 'erin' }), 'trust', 'our own address')
  t.equal(await methodFor({ user: 'erin', address: '203.0.113.1' }), undefined)
})

t.test(
  'a file that cannot be used is refused whole, with all lines that are at fault',
  async (t) => {
    const faults = [
      'hostx all all all trust',
      'host all',
      'host all + all trust',
      'host all all example.com/24 trust',
      'host all all exa_mple!.com trust',
      'host all all 10.0.0.0/33 trust',
      'host all all 10.0.0.1 trust',
      'host all all 10.0.0.1 255.0.255.0 trust',
      'host all all all kerberos',
      'host all all all cert',
      'host all all all md5 map=x',
      'hostssl all all all cert clientcert=verify-ca',
      'host all @users all trust',
      'host all "all all trust',
      'include other.conf',
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
      t.match(found.join('\n'), 'is a host name with a mask')
    }
  },
)

t.test('rules and names may stand in other files', async (t) => {
  const directory = t.testdir({
    'pg_hba.conf': `
include users/first.conf
include_if_exists missing.conf
include_dir rules.d
host  @databases  all              all  reject
host  all         @users/staff,zoe all  md5
`,
    databases: 'old, "all"\n@more # and those\n',
    more: 'older',
    users: {
      'first.conf': 'host all @staff.first all trust\n',
      'staff.first': 'ann',
      staff: 'bob\ncarol',
    },
    'rules.d': {
      'b.conf': 'host all eve all password',
      'a.conf': 'host all eve all scram-sha-256',
      '.c.conf': 'nonsense',
      'd.txt': 'nonsense',
    },
  })
  const file = join(directory, 'pg_hba.conf')
  const rules = readHbaRules(readFileSync(file, 'utf8'), file)
  const methodOf = async (user: string, database = 'app') =>
    (await matchingRule(rules, { ...HERE, user, database }, NOBODY))?.method
  t.equal(await methodOf('ann'), 'trust')
  t.equal(await methodOf('eve'), 'scram-sha-256', 'in the order of their names')
  for (const database of ['old', 'older', 'all']) t.equal(await methodOf('bob', database), 'reject')
  t.same(await Promise.all(['bob', 'carol', 'zoe', 'dan'].map((user) => methodOf(user))), [
    'md5',
    'md5',
    'md5',
    undefined,
  ])

  t.throws(() => readHbaRules('include_dir nowhere\nhost all @none all md5', file), {
    message: /pg_hba.conf:1: .*ENOENT[\s\S]*pg_hba.conf:2: user: cannot read .*none \(ENOENT\)/,
  })
  t.throws(() => readHbaRules('include loop', join(directory, 'loop')), { message: /ENOENT/ })
  writeFileSync(join(directory, 'loop'), 'include loop\nhost all @self all md5')
  writeFileSync(join(directory, 'self'), '@self')
  t.throws(() => readHbaRules('include loop', join(directory, 'x')), { message: /too deeply/ })
})

t.test('a name that begins with a slash is a regular expression', async (t) => {
  const text = 'host /^db\\d{2}$ /^(app|web)_ all md5\nhost all "/x.z" all trust'
  const rules = readHbaRules(text, 'x')
  const methodOf = async (user: string, database: string) =>
    (await matchingRule(rules, { ...HERE, user, database }, NOBODY))?.method
  t.equal(await methodOf('app_1', 'db12'), 'md5')
  t.equal(await methodOf('app_1', 'db123'), undefined)
  t.equal(await methodOf('my_app_', 'db12'), undefined)
  t.equal(await methodOf('axyz', 'any'), 'trust', 'in quotes, too')
  for (const pattern of [
    '/[[:alpha:]]',
    '/\\mapp',
    '/(?i)app',
    '/***=app',
    '/(a)\\1',
    '/(',
    '/a{',
  ]) {
    t.throws(
      () => readHbaRules(`host all ${pattern} all md5`, 'x'),
      { message: /^x:1: user: / },
      pattern,
    )
  }
})

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

t.test('rules for members of roles', async (t) => {
  const text = `
host all        +banned       all reject
host samerole   all           all md5
host all        eve,+staff    all scram-sha-256
host "samerole" all           all trust
host all        "+staff"      all password
`
  const rules = readHbaRules(text, 'x')
  const roles = new Map([
    ['ann', ['ann', 'staff']],
    ['bob', ['bob', 'staff', 'banned']],
    ['carol', ['carol', 'sales']],
  ])
  const methodOf = async (user: string, database = 'app') => {
    const questions = {
      ...NOBODY,
      roles: () => Promise.resolve(new Set(roles.get(user) ?? [])),
    }
    return (await matchingRule(rules, { ...HERE, user, database }, questions))?.method
  }
  t.equal(await methodOf('ann'), 'scram-sha-256')
  t.equal(await methodOf('bob'), 'reject')
  t.equal(await methodOf('carol'), undefined)
  t.equal(await methodOf('carol', 'sales'), 'md5', 'the database has the name of a role of his')
  t.equal(await methodOf('carol', 'carol'), 'md5', 'everyone is of his own')
  t.equal(await methodOf('nobody'), undefined)
  t.equal(await methodOf('nobody', 'nobody'), undefined)
  t.equal(await methodOf('x', 'samerole'), 'trust', 'in quotes it is a name')
  t.equal(await methodOf('+staff'), 'password')

  t.test(
    'ask only where all else matches, and let nobody in who cannot be asked for',
    async (t) => {
      const strict = readHbaRules(
        'host other +staff all trust\nhostssl all +banned all reject\nhost all all all trust',
        'x',
      )
      t.equal((await matchingRule(strict, HERE, NOBODY))?.method, 'trust')
      const encrypted = { ...HERE, isEncrypted: true }
      await t.rejects(matchingRule(strict, encrypted, NOBODY), { message: 'roles' })
    },
  )
})

t.test('rules for names of hosts', async (t) => {
  const rules = readHbaRules(
    'host all bob 10.0.0.0/8 md5\nhost all all .Example.com password\nhost all all db-1.x.org. trust',
    'x',
  )
  const methodAt = async (hostName: string | undefined, user = 'x') => {
    const questions = { ...NOBODY, hostName: () => Promise.resolve(hostName) }
    return (await matchingRule(rules, { ...HERE, user }, questions))?.method
  }
  t.equal(await methodAt('a.b.example.COM'), 'password')
  t.equal(await methodAt('example.com'), undefined, 'not the bare end')
  t.equal(await methodAt('myexample.com'), undefined)
  t.equal(await methodAt('db-1.x.org.'), 'trust')
  t.equal(await methodAt(undefined), undefined)
  const local = { ...HERE, address: undefined }
  t.equal(await matchingRule(rules, local, NOBODY), undefined, 'none is asked for on this machine')

  t.test('which must lead back to the address', async (t) => {
    const names: Record<string, string> = {
      '10.0.0.1': 'good.example.com',
      '10.0.0.2': 'good.example.com',
      '10.0.0.3': '10.0.0.3',
      '2001:db8::1': 'six.example.com',
    }
    const addresses: Record<string, string[]> = {
      'good.example.com': ['192.0.2.1', '10.0.0.1'],
      'six.example.com': ['2001:0db8:0:0::0001'],
      '10.0.0.3': ['10.0.0.3'],
    }
    const found = async <T>(value: T | undefined) => {
      if (value === undefined) throw new Error('ENOTFOUND')
      return await Promise.resolve(value)
    }
    const resolver = {
      nameOf: (address: string) => found(names[address]),
      addressesOf: (name: string) => found(addresses[name]),
    }
    t.equal(await hostNameOf('10.0.0.1', resolver), 'good.example.com')
    t.equal(await hostNameOf('10.0.0.2', resolver), undefined, 'says whose name it likes')
    t.equal(await hostNameOf('10.0.0.3', resolver), undefined, 'no name')
    t.equal(await hostNameOf('10.0.0.4', resolver), undefined)
    t.equal(await hostNameOf('2001:db8::1', resolver), 'six.example.com')
  })
})

t.test('rules that need what a proxy does not have refuse, and nothing else changes', async (t) => {
  const text = `
local      all all                peer map=x
hostgssenc all all all            trust
host       all ann all            ldap ldapserver=a.example ldapprefix="cn="
host       all all all            md5
`
  const rules = readHbaRules(text, 'x')
  const ruleFor = (client: Partial<HbaClient>) =>
    matchingRule(rules, { ...HERE, ...client }, NOBODY)
  t.match(await ruleFor({ address: undefined }), { method: 'reject', foreignMethod: 'peer' })
  t.match(await ruleFor({ user: 'ann' }), { method: 'reject', foreignMethod: 'ldap' })
  t.equal((await ruleFor({}))?.method, 'md5')
  t.equal(rules.length, 3, 'nobody comes with GSSAPI encryption')
})
