import t from 'tap'
import { Log } from '../../lib/base/log.ts'
import { CONSOLE_ACTIONS, parseConsoleCommand } from '../../lib/console/console-command.ts'
import { ConsoleRunner } from '../../lib/console/console-runner.ts'
import type { ProxyControl, ProxyView } from '../../lib/console/proxy-ports.ts'
import { SHOWN_TABLES } from '../../lib/console/show-commands.ts'

const SIGNAL = new AbortController().signal

/** Everything there is to do, with an argument that it takes. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  disable: 'app',
  enable: 'app',
  kill_client: '7',
}

function fakes() {
  const done: string[] = []
  const control = new Proxy({} as ProxyControl, {
    get: (_, name) => () => {
      done.push(String(name))
      return Promise.resolve(true)
    },
  })
  const view = {
    forCommand: () => view,
    silent: new Set<number>(),
    version: 'x',
    poolMode: 'transaction',
    gates: () => Promise.resolve({ mode: 'active', paused: ['app'], disabled: [] }),
    databases: () => [{ name: 'app' }],
    users: () => [],
    settings: () => [],
    traffic: () => Promise.resolve([]),
    clients: () => Promise.resolve([]),
    servers: () => Promise.resolve([]),
    logins: () => Promise.resolve([]),
    prepared: () => Promise.resolve([]),
    memory: () => Promise.resolve([]),
  } as unknown as ProxyView
  const runner = new ConsoleRunner(view, control, new Log('error'))
  const run = (text: string, role: 'admin' | 'stats') =>
    runner.run(parseConsoleCommand(text), role, 'someone', SIGNAL)
  return { done, run }
}

t.test('CVE-2026-6667: every command, by every role', async (t) => {
  const commands = [
    ...CONSOLE_ACTIONS.map((action) => `${action} ${ARGUMENTS[action] ?? ''}`),
    'set query_timeout = 3',
    'show fds',
    'show prepared',
    'show prepared_statements',
  ]
  for (const command of commands) {
    const { done, run } = fakes()
    await t.rejects(
      run(command, 'stats'),
      { sqlState: '42501', message: 'admin access needed' },
      `stats users may not ${command}`,
    )
    t.same(done, [], `nothing is done by ${command}`)
  }
  for (const command of commands.filter((one) => !/^(show|suspend|resume)/.test(one))) {
    const { done, run } = fakes()
    await run(command, 'admin')
    t.equal(done.length, 1, `admins may ${command}`)
  }
})

t.test('PgBouncer SHOW FDS: both may SHOW, and neither that', async (t) => {
  const shown = [...SHOWN_TABLES.keys()].filter((what) => !what.startsWith('prepared'))
  for (const what of [...shown, 'help', 'client_encoding']) {
    for (const role of ['admin', 'stats'] as const) {
      t.equal((await fakes().run(`show ${what}`, role)).tag, 'SHOW', `${role}: ${what}`)
    }
  }
  await t.rejects(fakes().run('show fds', 'admin'), { message: 'SHOW FDS is not supported' })
  await t.rejects(fakes().run('show secrets', 'admin'), { message: /^invalid command/ })
})

t.test('drivers may set what they always set', async (t) => {
  for (const key of ['client_encoding', 'extra_float_digits', 'DateStyle', 'application_name']) {
    const result = await fakes().run(`set ${key} = 'x'`, 'stats')
    t.match(result, { tag: 'SET', notice: { message: 'SET ignored' } })
  }
})

t.test("conditions and messages are PgBouncer's", async (t) => {
  const { run } = fakes()
  for (const [command, message] of [
    ['pause nowhere', 'no such database: nowhere'],
    ['pause pgbouncer', 'cannot pause admin db: pgbouncer'],
    ['kill pgloom', 'cannot kill admin db: pgloom'],
    ['disable pgbouncer', 'cannot disable admin db: pgbouncer'],
    ['enable pgbouncer', 'cannot enable admin db: pgbouncer'],
    ['reconnect pgbouncer', 'cannot reconnect admin db: pgbouncer'],
    ['wait_close pgbouncer', 'cannot wait in admin db: pgbouncer'],
    ['resume', 'pooler is not paused/suspended'],
    ['suspend', 'cannot suspend with paused databases'],
    ['kill_client app', 'invalid client pointer supplied'],
    ['shutdown soon', "invalid command 'SHUTDOWN soon', use SHOW HELP;"],
  ] as const) {
    await t.rejects(run(command, 'admin'), { message }, command)
  }
})
