import t from 'tap'
import { parseConsoleCommand } from '../../lib/console/console-command.ts'

t.test('commands are read as PgBouncer reads them, and a little more kindly', async (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ['SHOW POOLS', { kind: 'show', what: 'pools' }],
    ['show stats_totals;', { kind: 'show', what: 'stats_totals' }],
    ['  Show\n\tClients ;; ', { kind: 'show', what: 'clients' }],
    ['SELECT version', { kind: 'show', what: 'version' }],
    ['SHOW STATS -- for the dashboard', { kind: 'show', what: 'stats' }],
    ['/* exporter */ SHOW LISTS; -- so it is', { kind: 'show', what: 'lists' }],
    ['PAUSE', { kind: 'act', action: 'pause', argument: '' }],
    ['pause app;', { kind: 'act', action: 'pause', argument: 'app' }],
    ['PAUSE "My ""DB"" -- x"', { kind: 'act', action: 'pause', argument: 'My "DB" -- x' }],
    ['KILL_CLIENT 12', { kind: 'act', action: 'kill_client', argument: '12' }],
    [
      'SHUTDOWN WAIT_FOR_CLIENTS',
      { kind: 'act', action: 'shutdown', argument: 'WAIT_FOR_CLIENTS' },
    ],
    ['SET query_timeout = 3', { kind: 'set', key: 'query_timeout', value: '3' }],
    ['set Query_Timeout to 3;', { kind: 'set', key: 'query_timeout', value: '3' }],
    [
      "SET server_check_query='select ''1'';'",
      { kind: 'set', key: 'server_check_query', value: "select '1';" },
    ],
    ["SET server_reset_query = ''", { kind: 'set', key: 'server_reset_query', value: '' }],
    ['', { kind: 'empty' }],
    [' ; -- nothing', { kind: 'empty' }],
  ]
  for (const [text, command] of cases) t.match(parseConsoleCommand(text), command, text)
})

t.test('what is no command is refused', async (t) => {
  for (const text of [
    'SHOW POOLS; SHOW STATS',
    'BEGIN',
    'RELOAD app',
    'SUSPEND now',
    'SELECT 1 + 1',
    'SHOW "pools',
    "SET x = 'y",
    'PAUSE app other',
    `SHOW ${'x'.repeat(5000)}`,
  ]) {
    t.throws(
      () => parseConsoleCommand(text),
      { sqlState: '42601', message: /^invalid command '/ },
      text,
    )
  }
  t.throws(() => parseConsoleCommand('DISABLE'), { message: 'a database is required' })
})

t.test('no text takes long', async (t) => {
  for (const piece of ['""', "''", '/*', '--', ' ', '"', 'x"', 'set ', '= ', ';']) {
    // not by the clock: others may have the processor meanwhile
    const before = process.cpuUsage()
    t.throws(() => parseConsoleCommand(`x${piece.repeat(4000 / piece.length)}x y z`))
    t.ok(process.cpuUsage(before).user < 500_000, JSON.stringify(piece))
  }
})
