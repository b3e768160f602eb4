import t from 'tap'
import { parseConfig } from '../../lib/config/config-loader.ts'
import { environmentVariables } from '../../lib/config/environment.ts'

const MINIMAL = 'coordinator: { host: db1 }\ndatabases: [app]\nlisten: { port: 1 }\n'

t.test('the environment', async (t) => {
  t.test('has one variable for each key', async (t) => {
    const paths = [...environmentVariables().values()].map(({ path }) => path.join('.'))
    t.equal(new Set(paths).size, paths.length)
    t.ok(paths.includes('tls.client.key_file'))
  })

  t.test('overrides the file', async (t) => {
    const { config } = parseConfig(MINIMAL, 'x.yaml', {
      PGLOOM_LISTEN_PORT: '7000',
      PGLOOM_LISTEN_HOST: '::1',
      PGLOOM_PROCESSES: '3',
      PGLOOM_POOL_PIPELINE: 'off',
      PGLOOM_POOL_SERVER_ROUND_ROBIN: 'true',
      PGLOOM_CONSOLE_ADMIN_USERS: 'a, b',
      PGLOOM_DATABASES: '[app, { name: other, host: db2 }]',
      PGLOOM_METADATA_USER: '12',
      OTHER: 'x',
      PGLOOM_TEST_LOAD_SECONDS: '1',
      PGLOOM_HTTP_SERVICE_PORT: '80',
    })
    t.match(config, {
      listen: { port: 7000, hosts: ['::1'] },
      processes: 3,
      pool: { pipeline: 'off', server_round_robin: true },
      console: { admin_users: ['a', 'b'] },
      databases: [{ name: 'app' }, { name: 'other', hosts: ['db2'], sharded: false }],
      metadata_user: '12',
    })
  })

  t.test('overrides a pgbouncer.ini', async (t) => {
    const text = '[databases]\na = host=h\n[pgbouncer]\nlisten_port = 1\n'
    const { config } = parseConfig(text, 'p.ini', { PGLOOM_LISTEN_PORT: '2' })
    t.equal(config.listen.port, 2)
  })

  const wrong: Readonly<Record<string, readonly [value: string, message: string]>> = {
    PGLOOM_LISTEN_PORT: ['x', 'the environment: PGLOOM_LISTEN_PORT: must be integer, not text "x"'],
    PGLOOM_LISTEN_PROT: [
      '1',
      'the environment: PGLOOM_LISTEN_PROT: no key has this name; did you mean PGLOOM_LISTEN_PORT?',
    ],
    PGLOOM_POOL_THINGS: ['1', 'the environment: PGLOOM_POOL_THINGS: no key has this name'],
    PGLOOM_POOL_POOL_MODE: ['x', 'the environment: PGLOOM_POOL_POOL_MODE: must be one of session'],
    PGLOOM_DATABASES: ['[{ host: h }]', 'the environment: PGLOOM_DATABASES: is missing'],
    PGLOOM_USERS: ['[', 'the environment: PGLOOM_USERS: '],
  }
  for (const [name, [value, message]] of Object.entries(wrong)) {
    t.test(`names ${name} where it is wrong`, async (t) => {
      const rejected = t.throws(() => parseConfig(MINIMAL, 'x.yaml', { [name]: value }), {
        name: 'UsageError',
      })
      t.match((rejected as Error).message, message)
    })
  }
})
