import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { SHOWN_TABLES } from '../../lib/console/show-commands.ts'
import { freePort } from '../../lib/embedded/free-port.ts'
import { temporaryDirectory } from '../support/postgres-cluster.ts'
import { until } from '../support/until.ts'

const BINARY = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path))

const OIDS = { text: 25, int4: 23, int8: 20, numeric: 1700 }

/** As 1.25 calls what older ones called otherwise. */
const RENAMED: ReadonlyMap<string, string> = new Map([['reserve_pool', 'reserve_pool_size']])

async function startPgbouncer(binary: string): Promise<pg.Client> {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
app = host=127.0.0.1 port=1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
admin_users = boss
`,
  )
  // it doesn't run as root
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child: ChildProcess = spawn(binary, [...user, file], { stdio: 'ignore' })
  t.teardown(() => {
    child.kill('SIGKILL')
  })
  const client = await until('pgbouncer', 60_000, async () => {
    const made = new pg.Client(`postgres://boss@127.0.0.1:${port}/pgbouncer`)
    await made.connect()
    return made
  })
  t.teardown(() => client.end())
  return client
}

t.test('columns are those of the PgBouncer that is installed here', async (t) => {
  if (BINARY === undefined) {
    t.pass('SKIPPED: install pgbouncer to compare the console with it')
    return
  }
  const client = await startPgbouncer(BINARY)
  const { rows } = await client.query<{ version?: string }>('SHOW VERSION')
  t.comment(`compared with ${String(rows[0]?.version)}`)
  for (const [what, { columns }] of SHOWN_TABLES) {
    const theirs = await client.query(`SHOW ${what}`).catch(() => undefined)
    if (theirs === undefined) {
      t.comment(`SHOW ${what}: not there`)
      continue
    }
    const own = new Map(Object.entries(columns).map(([name, type]) => [name, OIDS[type]]))
    const expected = theirs.fields.map(({ name, dataTypeID }) => {
      return [RENAMED.get(name) ?? name, dataTypeID]
    })
    const names = expected.map(([name]) => name)
    const common = [...own].filter(([name]) => names.includes(name))
    t.same(common, expected, `SHOW ${what}: names, order and types`)
  }
})
