import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parseConfig } from '../../lib/config/config-loader.ts'
import { INI_KEYS } from '../../lib/config/ini-keys.ts'
import { temporaryDirectory } from '../support/postgres-cluster.ts'

const EXAMPLE = `
; what a grown pgbouncer.ini looks like
[databases]
app = host=10.0.0.1 port=5433 dbname=app_production pool_size=40 min_pool_size=5 reserve_pool=3
"odd ""name""" = host=db2 connect_query='SET application_name = ''it''''s''' application_name=batch
forced = host=/run/postgresql user=baz password='p ass''word' client_encoding=UNICODE datestyle=ISO timezone=UTC
spread = host=10.0.0.1,10.0.0.2 load_balance_hosts=disable pool_mode=session server_lifetime=60 max_db_connections=7
local =
* = host=10.0.0.9 auth_user=asker query_wait_timeout=-1

[users]
batch = pool_mode=session max_user_connections=3 query_timeout=30 pool_size=-1

[pgbouncer]
listen_addr = 127.0.0.1, ::1
listen_port = 7432
unix_socket_dir = /run/pgbouncer
unix_socket_mode = 0770
auth_type = SCRAM-SHA-256
auth_user = asker
admin_users = root, postgres
stats_users = exporter
pool_mode = Transaction
max_client_conn = 2000
default_pool_size = 0x10
reserve_pool_timeout = 2.5
query_wait_timeout = 1500ms
server_idle_timeout=10min
server_check_query = select 1
server_reset_query =
server_tls_sslmode = require
server_tls_protocols = tlsv1.3
client_tls_ciphers = fast
max_packet_size = 2147483647
ignore_startup_parameters = extra_float_digits,options
track_extra_parameters = IntervalStyle
verbose = 2
tcp_keepidle = 30
# these have no effect here
logfile = /var/log/pgbouncer.log
so_reuseport = 1
peer_id = 0

[peers]
1 = host=/tmp/p1
`

function messageOf(text: string): string {
  try {
    parseConfig(text, 'p.ini')
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

t.test('a pgbouncer.ini', async (t) => {
  t.test('means what it means to PgBouncer', async (t) => {
    const { config } = parseConfig(EXAMPLE, 'p.ini')
    const { databases, users, pool, listen, auth, tls, tcp, log, http, console } = config
    t.same(databases, [
      {
        name: 'app',
        sharded: false,
        hosts: ['10.0.0.1'],
        port: 5433,
        load_balance_hosts: 'round-robin',
        dbname: 'app_production',
        pool_size: 40,
        min_pool_size: 5,
        reserve_pool_size: 3,
      },
      {
        name: 'odd "name"',
        sharded: false,
        hosts: ['db2'],
        port: 5432,
        load_balance_hosts: 'round-robin',
        connect_query: "SET application_name = 'it''s'",
        application_name: 'batch',
      },
      {
        name: 'forced',
        sharded: false,
        hosts: ['/run/postgresql'],
        port: 5432,
        load_balance_hosts: 'round-robin',
        user: 'baz',
        password: "p ass'word",
        datestyle: 'ISO',
        timezone: 'UTC',
      },
      {
        name: 'spread',
        sharded: false,
        hosts: ['10.0.0.1', '10.0.0.2'],
        port: 5432,
        load_balance_hosts: 'disable',
        pool_mode: 'session',
        server_lifetime_ms: 60_000,
        max_db_connections: 7,
      },
      {
        name: 'local',
        sharded: false,
        hosts: ['/run/pgbouncer'],
        port: 5432,
        load_balance_hosts: 'round-robin',
      },
      {
        name: '*',
        sharded: false,
        hosts: ['10.0.0.9'],
        port: 5432,
        load_balance_hosts: 'round-robin',
        auth_user: 'asker',
      },
    ])
    t.same(users, [
      { name: 'batch', pool_mode: 'session', max_user_connections: 3, query_timeout_ms: 30_000 },
    ])
    t.match(listen, {
      hosts: ['127.0.0.1', '::1'],
      port: 7432,
      unix_socket_dir: '/run/pgbouncer',
      unix_socket_mode: '0770',
      max_client_conn: 2000,
      max_message_bytes: 1073741822,
      backlog: 128,
    })
    t.match(pool, {
      pool_mode: 'transaction',
      default_pool_size: 16,
      reserve_pool_timeout_ms: 2500,
      query_wait_timeout_ms: 1500,
      server_idle_timeout_ms: 600_000,
      server_check_query: 'select 1',
      server_reset_query: '',
    })
    t.match(auth, { type: 'scram-sha-256', auth_user: 'asker' })
    t.match(tls.server, { sslmode: 'require', protocols: ['tlsv1.3'] })
    t.notOk('ciphers' in tls.client)
    t.match(console, { admin_users: ['root', 'postgres'], stats_users: ['exporter'] })
    t.match(config.ignore_startup_parameters, ['extra_float_digits', 'options'])
    t.match(
      { tcp, log, http },
      {
        tcp: { keepalive: true, keepidle_ms: 30_000 },
        log: { level: 'debug' },
        http: { enabled: false },
      },
    )
  })

  t.test('names what has no effect', async (t) => {
    t.same(parseConfig(EXAMPLE, 'p.ini').warnings, [
      'p.ini:40: logfile is not supported: the log goes to standard error, as JSON lines',
      'p.ini:41: so_reuseport is not supported: our processes share the port anyway',
      'p.ini:45: peers are not supported: [peers] 1 is ignored',
    ])
  })

  t.test("has PgBouncer's defaults where ours differ", async (t) => {
    const { config, warnings } = parseConfig('[databases]\na = host=h\n[pgbouncer]\n', 'p.ini')
    t.match(config, {
      listen: { hosts: [], unix_socket_dir: '/tmp', port: 6432, max_client_conn: 100 },
      pool: { pool_mode: 'session', default_pool_size: 20 },
      auth: { type: 'md5' },
      tls: { client: { sslmode: 'disable' }, server: { sslmode: 'prefer' } },
    })
    t.same(warnings, [])
  })

  t.test('may be as Debian ships it, without any database', async (t) => {
    const text = '[databases]\n\n[users]\n\n[pgbouncer]\nauth_type = md5\n'
    const { config, warnings } = parseConfig(text, 'p.ini')
    t.same(config.databases, [])
    t.match(warnings, [/there is no database/])
  })

  t.test('tells all faults at once, each with its place', async (t) => {
    const text = `[databases]
app = host=h prot=1
b = host
[pgbouncer]
listen_prt = 1
listen_port = x
query_timeout = 1 fortnight
nonsense
pool_mode = x
[user]
a = 1
b = 2`
    t.same(messageOf(text).split('\n'), [
      'p.ini:2: app: unknown key prot; did you mean port?',
      'p.ini:3: b: must be pairs of key=value',
      'p.ini:5: listen_prt: unknown parameter; did you mean listen_port?',
      'p.ini:6: listen_port: must be a whole number, not x',
      'p.ini:7: query_timeout: must be a number of seconds, not 1 fortnight',
      'p.ini:8: neither [section] nor key = value',
      'p.ini:9: pool_mode: must be one of session, transaction, statement',
      'p.ini:11: unknown section [user]; did you mean users?',
    ])
  })

  t.test('has faults by its own names for what only we refuse', async (t) => {
    const text = `[databases]
app = host=h pool_mode=transactions
pgbouncer = host=h
[pgbouncer]
auth_type = pam
listen_port = 70000`
    t.same(messageOf(text).split('\n'), [
      'p.ini:2: app: pool_mode: must be one of session, transaction, statement; did you mean transaction?',
      'p.ini:5: auth_type: must be one of scram-sha-256, md5, plain, trust, any, cert, hba',
      'p.ini:6: listen_port: must be at most 65535',
    ])
    const reserved = '[databases]\npgbouncer = host=h\n[pgbouncer]\nauth_type = hba'
    t.same(messageOf(reserved).split('\n'), [
      'p.ini:2: pgbouncer: name: pgbouncer is the name of the console',
      'p.ini:4: auth_hba_file: is missing, and auth.type is hba',
    ])
  })

  t.test('may include others, whose lines are named', async (t) => {
    const other = join(temporaryDirectory(t), 'databases.ini')
    writeFileSync(other, '[databases]\napp = host=h nonsense=1\n')
    const text = `%include ${other}\n[pgbouncer]\nauth_file = /x`
    t.match(messageOf(text), `${other}:2: app: unknown key nonsense`)
    t.match(messageOf('%include /nowhere\n'), 'p.ini:1: cannot read the included file')
    writeFileSync(other, `%include ${other}\n`)
    t.match(messageOf(`%include ${other}\n`), `${other}:1: files include each other`)
  })

  t.test('is known by its content, too', async (t) => {
    const { config } = parseConfig('; pooled\n\n[databases]\na = host=h\n', 'pooler.conf')
    t.match(config.databases, [{ name: 'a', sharded: false }])
  })

  t.test('takes its users from its auth_file', async (t) => {
    const file = join(temporaryDirectory(t), 'userlist.txt')
    const md5 = `md5${'0123456789abcdef'.repeat(2)}`
    const scram = 'SCRAM-SHA-256$4096:YQ==$YQ==:YQ=='
    writeFileSync(
      file,
      `"a" "pass ""word""" more\n;"b" "x"\n"c" "${md5}"\n "d" "${scram}"\n"e" ""\n`,
    )
    const text = `[databases]\n* = host=h\n[users]\nc = pool_size=3\n[pgbouncer]\nauth_file = `
    t.same(parseConfig(text + file, 'p.ini').config.users, [
      { name: 'c', md5_secret: md5, pool_size: 3 },
      { name: 'a', password: 'pass "word"' },
      { name: 'd', scram_secret: scram },
      { name: 'e' },
    ])
    writeFileSync(file, '"a" "b"\n"secret"\n')
    t.equal(
      messageOf(text + file),
      `p.ini:6: auth_file: ${file}:2: must be "name" "password or secret"`,
    )
    t.equal(
      messageOf(`${text}nowhere`),
      `p.ini:6: auth_file: cannot read ${resolve('nowhere')} (ENOENT)`,
    )
  })

  t.test('has a place in our configuration for each parameter that we take', async (t) => {
    const values: Readonly<Record<string, string>> = {
      addresses: 'h',
      protocols: 'secure',
      word: '',
      file: '',
      text: '',
      'message-bytes': '100000',
    }
    for (const [key, known] of INI_KEYS) {
      if ('unsupported' in known) continue
      const line = `${key} = ${values[known.kind] ?? (known.kind === 'seconds' ? '10' : '1')}`
      t.equal(
        messageOf(`[databases]\na = host=h\n[pgbouncer]\n${line}`).replace(
          /.*scram_iterations.*/,
          '',
        ),
        '',
        line,
      )
    }
  })
})
