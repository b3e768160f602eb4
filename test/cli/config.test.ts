import { readFileSync } from 'node:fs'
import t from 'tap'
import { completeConfig, parseConfig } from '../../lib/config.ts'
import { projectPath } from '../support/project.ts'

const EXAMPLE = readFileSync(projectPath('config/pgloom.yaml'), 'utf8')
const MINIMAL = 'coordinator: { host: db1 }\ndatabases: [app]\n'

t.test('the configuration', async (t) => {
  t.test('has an example that is complete and shows the defaults', async (t) => {
    const example = parseConfig(EXAMPLE, 'pgloom.yaml')
    const defaults = completeConfig({
      coordinator: { host: '127.0.0.1' },
      databases: ['app'],
      users: example.users,
    })
    t.same(example, defaults)
  })

  t.test('is frozen and filled with defaults', async (t) => {
    const config = parseConfig(MINIMAL, 'x.yaml')
    t.ok(Object.isFrozen(config.listen))
    t.match(config, { listen: { port: 6432 }, auth: { method: 'scram-sha-256' }, users: [] })
  })

  const faults: Readonly<Record<string, readonly [text: string, message: string]>> = {
    'an unknown key': [`${MINIMAL}lissten: {}`, 'x.yaml:3: unknown key lissten'],
    'an unknown key inside': [
      `${MINIMAL}pool:\n  max_connections: 4\n  max_conections: 5`,
      'x.yaml:5: unknown key pool.max_conections',
    ],
    'a missing key': ['databases: [app]', 'x.yaml:1: missing key coordinator'],
    'a missing key inside': [
      'databases: [app]\ncoordinator:\n  port: 5432',
      'x.yaml:2: missing key coordinator.host',
    ],
    'a wrong type': [`${MINIMAL}listen:\n  port: "6432"`, 'x.yaml:4: listen.port must be integer'],
    'a value out of range': [
      `${MINIMAL}listen: { port: 70000 }`,
      'x.yaml:3: listen.port must be <= 65535',
    ],
    'a value that is none of those allowed': [
      `${MINIMAL}auth:\n  method: md5`,
      'x.yaml:4: auth.method must be one of trust, scram-sha-256',
    ],
    'both kinds of password': [
      `${MINIMAL}users:\n  - name: app\n    password: a\n    scram_secret: SCRAM-SHA-256$4096:YQ==$YQ==:YQ==`,
      'x.yaml:4: users.0 has both password and scram_secret: keep one',
    ],
    'a key written twice': [`${MINIMAL}databases: [b]`, 'x.yaml:3: Map keys must be unique'],
    'text that is not YAML': ['a: [', 'x.yaml:1: '],
    'an empty file': ['', 'x.yaml:1: missing key coordinator'],
    'a list': ['- 1', 'x.yaml:1: the configuration must be object'],
  }
  for (const [fault, [text, message]] of Object.entries(faults)) {
    t.test(`names the place of ${fault}`, async (t) => {
      const rejected = t.throws(() => parseConfig(text, 'x.yaml'), { name: 'UsageError' })
      t.match((rejected as Error).message, message)
    })
  }
})
