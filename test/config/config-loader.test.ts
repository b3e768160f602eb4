import { readFileSync } from 'node:fs'
import t from 'tap'
import { completeConfig, parseConfig } from '../../lib/config/config-loader.ts'
import { projectPath } from '../support/project.ts'

const EXAMPLE = readFileSync(projectPath('config/pgloom.yaml'), 'utf8')
const MINIMAL = 'coordinator: { host: db1 }\ndatabases: [app]\n'

t.test('the configuration', async (t) => {
  t.test('has an example that is complete and shows the defaults', async (t) => {
    const { config: example } = parseConfig(EXAMPLE, 'pgloom.yaml')
    const defaults = completeConfig({
      coordinator: { host: '127.0.0.1' },
      databases: ['app'],
      users: example.users,
    })
    t.same(example, defaults)
  })

  t.test('is frozen and filled with defaults', async (t) => {
    const { config } = parseConfig(MINIMAL, 'x.yaml')
    t.ok(Object.isFrozen(config.listen))
    t.match(config, {
      listen: { hosts: ['127.0.0.1'], port: 6432 },
      databases: [{ name: 'app', sharded: true, hosts: ['db1'], port: 5432 }],
      auth: { type: 'scram-sha-256' },
      users: [],
    })
  })

  t.test('warns of what can hardly be meant', async (t) => {
    const none = parseConfig('databases: []', 'x.yaml')
    t.same(none.warnings, ['x.yaml:1: there is no database: clients can only use the console'])
    const secret = `SCRAM-SHA-256$4096:${'YWJjZGVmZ2g='}$${'A'.repeat(43)}=:${'A'.repeat(43)}=`
    const text = `${MINIMAL}metadata_user: app\nusers:\n  - { name: app, scram_secret: '${secret}' }\n`
    t.match(parseConfig(text, 'x.yaml').warnings, [/^metadata_user app has a SCRAM secret only/])
  })

  const faults: Readonly<Record<string, readonly [text: string, message: string]>> = {
    'an unknown key': [
      `${MINIMAL}lissten: {}`,
      'x.yaml:3: lissten: unknown key; did you mean listen?',
    ],
    'an unknown key inside': [
      `${MINIMAL}pool:\n  pool_mode: session\n  default_pol_size: 5`,
      'x.yaml:5: pool.default_pol_size: unknown key; did you mean default_pool_size?',
    ],
    'a missing key': ['listen: {}', 'x.yaml:1: databases: is missing'],
    'a missing key inside': [
      'databases: [app]\ncoordinator:\n  port: 5432',
      'x.yaml:2: coordinator.host: is missing',
    ],
    'a missing coordinator': [
      'databases: [app]',
      'x.yaml:1: databases.0.host: is missing, and there is no coordinator whose database it could be',
    ],
    'a wrong type': [
      `${MINIMAL}listen:\n  port: "6432"`,
      'x.yaml:4: listen.port: must be integer, not text "6432"',
    ],
    'a wrong type of what is secret': [
      `${MINIMAL}users:\n  - name: app\n    password: 1234`,
      'x.yaml:5: users.0.password: must be string, not a number',
    ],
    'a value out of range': [
      `${MINIMAL}listen: { port: 70000 }`,
      'x.yaml:3: listen.port: must be at most 65535',
    ],
    'a value that is none of those allowed': [
      `${MINIMAL}pool:\n  pool_mode: transactions`,
      'x.yaml:4: pool.pool_mode: must be one of session, transaction, statement; did you mean transaction?',
    ],
    'both kinds of password': [
      `${MINIMAL}users:\n  - name: app\n    password: a\n    scram_secret: SCRAM-SHA-256$4096:YQ==$YQ==:YQ==`,
      'x.yaml:4: users.0: has both password and scram_secret: keep one',
    ],
    'a name that is there twice': [
      'coordinator: { host: db1 }\ndatabases:\n  - app\n  - name: app',
      'x.yaml:4: databases.1.name: app is there twice',
    ],
    "the console's name": [
      'databases:\n  - name: pgbouncer\n    host: h',
      'x.yaml:2: databases.0.name: pgbouncer is the name of the console',
    ],
    'a sharded database that cannot be one': [
      'databases:\n  - name: a\n    sharded: true\n    host: [h, i]\n    pool_size: 1\n    user: x',
      'x.yaml:4: databases.0.host: a sharded database has one coordinator\nx.yaml:5: databases.0.pool_size: a sharded database needs at least 2 connections\nx.yaml:6: databases.0.user: a sharded database is used by its own users',
    ],
    'a file that is not there': [
      `${MINIMAL}auth:\n  type: hba\n  hba_file: /nowhere/pg_hba.conf`,
      'x.yaml:5: auth.hba_file: cannot read /nowhere/pg_hba.conf (ENOENT)',
    ],
    'TLS without a key': [
      `${MINIMAL}tls:\n  client:\n    sslmode: require\n    cert_file: x.crt`,
      'x.yaml:4: tls.client.key_file: is missing, and sslmode is require',
    ],
    'a key written twice': [`${MINIMAL}databases: [b]`, 'x.yaml:3: Map keys must be unique'],
    'text that is not YAML': ['a: [', 'x.yaml:1: '],
    'an empty file': ['', 'x.yaml:1: databases: is missing'],
    'a list': ['- 1', 'x.yaml:1: the configuration must be a mapping'],
  }
  for (const [fault, [text, message]] of Object.entries(faults)) {
    t.test(`names the place of ${fault}`, async (t) => {
      const rejected = t.throws(() => parseConfig(text, 'x.yaml'), { name: 'UsageError' })
      t.match((rejected as Error).message, message)
    })
  }
})
