import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { readCommandLine } from '../../lib/commands/command-line.ts'
import { PgloomProcess } from '../support/pgloom-process.ts'
import { temporaryDirectory } from '../support/postgres-cluster.ts'

async function outcome(...args: string[]): Promise<{ code: number | undefined; said: string }> {
  const run = await PgloomProcess.start({ args, expectExit: true })
  const code = await run.closed
  return { code, said: run.tail() }
}

t.test('the command line', async (t) => {
  t.test('of dev has defaults', async (t) => {
    t.same(readCommandLine(['dev']), {
      kind: 'dev',
      workers: undefined,
      processes: 1,
      port: 6432,
      httpPort: 9432,
      dataDirectory: '.pgloom',
      database: 'app',
      postgresBin: undefined,
    })
  })

  t.test('of serve takes a file with and without --config', async (t) => {
    const expected = {
      kind: 'serve',
      configFile: 'pgbouncer.ini',
      processes: undefined,
      takesOver: false,
    }
    t.same(readCommandLine(['serve', 'pgbouncer.ini']), expected)
    t.same(readCommandLine(['serve', '--config', 'pgbouncer.ini']), expected)
    const many = readCommandLine(['serve', 'x', '--processes', '4', '--takeover'])
    t.match(many, { processes: 4, takesOver: true })
  })

  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [[], /a command is missing/],
    [['start'], /unknown command start/],
    [['dev', '--worker', '1'], /Unknown option '--worker'/],
    [['dev', 'x'], /Unexpected argument 'x'/],
    [['dev', '--workers', '-1'], /./],
    [['dev', '--workers', '31'], /--workers must be a whole number from 0 to 30, not 31/],
    [['dev', '--workers', '1.5'], /--workers must be a whole number/],
    [['dev', '--port', '65536'], /--port must be a whole number/],
    [['dev', '--processes', '0'], /--processes must be a whole number/],
    [['serve', 'a.yaml', '--processes', 'x'], /--processes must be a whole number/],
    [['dev', '--data', ''], /--data must not be empty/],
    [['dev', '--database', 'x'.repeat(64)], /--database must be a name/],
    [['serve'], /pgloom serve needs one FILE/],
    [['check', 'a.yaml', '--config', 'b.yaml'], /pgloom check needs one FILE/],
  ]
  for (const [args, message] of wrong) {
    t.test(`refuses: ${args.join(' ')}`, async (t) => {
      t.throws(() => readCommandLine(args), { name: 'UsageError', message })
    })
  }
})

t.test('the process', async (t) => {
  t.test('ends with 0 after --help and --version', async (t) => {
    t.match(await outcome('--help'), { code: 0, said: /Usage:/ })
    t.match(await outcome('--version'), { code: 0, said: /pgloom \d+\.\d+\.\d+/ })
  })

  t.test('ends with 2 on wrong arguments and configurations', async (t) => {
    t.match(await outcome('dev', '--nonsense'), { code: 2, said: /--nonsense/ })
    const file = join(temporaryDirectory(t), 'pgloom.yaml')
    writeFileSync(file, 'coordinator:\n  host: db1\n  prt: 1\ndatabases: [app]\n')
    const said = `pgloom: ${file}:3: coordinator.prt: unknown key; did you mean port?`
    t.match(await outcome('serve', '--config', file), { code: 2, said })
    t.match(await outcome('check', '--config', file), { code: 2, said })
    t.match(await outcome('check', '--config', `${file}.not`), { code: 2, said: /cannot read/ })
  })

  t.test('ends with 1 when its port is taken, before it starts anything', async (t) => {
    const squatter = createServer().listen(0, '127.0.0.1')
    t.teardown(() => squatter.close())
    await once(squatter, 'listening')
    const address = squatter.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const data = join(temporaryDirectory(t), 'data')
    const ended = await outcome('dev', '--port', port, '--http-port', '0', '--data', data)
    t.match(ended, { code: 1, said: `port ${port} of 127.0.0.1 is taken` })
  })

  t.test('ends with 1 when the coordinator cannot be reached', async (t) => {
    const file = join(temporaryDirectory(t), 'pgloom.yaml')
    writeFileSync(file, 'coordinator: { host: 127.0.0.1, port: 1 }\ndatabases: [app]\n')
    t.match(await outcome('check', file), {
      code: 1,
      said: /error: database app on 127.0.0.1:1 as user app: .*ECONNREFUSED/,
    })
  })
})
