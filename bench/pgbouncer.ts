import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../lib/embedded/free-port.ts'
import { startChild, stopChild, unprivilegedAccount } from './child-processes.ts'
import {
  BENCH_DATABASE,
  BENCH_USER,
  MAX_CLIENTS,
  POOL_SIZE,
  type ServerAddress,
  type System,
} from './system.ts'
import { untilAccepting } from './until-accepting.ts'

/** The first version that keeps prepared statements in transaction pooling. */
const PREPARED_SINCE = [1, 21] as const

export const HOW_TO_GET_PGBOUNCER =
  'PgBouncer is not installed: apt-get install pgbouncer (or brew install pgbouncer), or name one with --pgbouncer PATH'

export type PgbouncerVersion = { readonly major: number; readonly minor: number; text: string }

/** undefined where it can't be run. */
export function pgbouncerVersion(file: string): Promise<PgbouncerVersion | undefined> {
  return new Promise((resolve) => {
    execFile(file, ['--version'], (error, stdout) => {
      const found = /PgBouncer (?:version )?(\d+)\.(\d+)[\w.]*/i.exec(stdout)
      if (error !== null || found === null) return resolve(undefined)
      resolve({ major: Number(found[1]), minor: Number(found[2]), text: found[0] })
    })
  })
}

/** Transaction pooling in front of one server, with everything else as PgBouncer has it. */
export async function startPgbouncer(
  file: string,
  version: PgbouncerVersion,
  server: ServerAddress,
  parent: string,
): Promise<System> {
  const directory = mkdtempSync(join(parent, 'pgbouncer-'))
  chmodSync(directory, 0o755)
  const port = await freePort()
  const keepsPrepared =
    version.major > PREPARED_SINCE[0] ||
    (version.major === PREPARED_SINCE[0] && version.minor >= PREPARED_SINCE[1])
  const ini = join(directory, 'pgbouncer.ini')
  const users = join(directory, 'userlist.txt')
  writeFileSync(users, `"${BENCH_USER}" ""\n`)
  writeFileSync(ini, settings(server, port, users, keepsPrepared))
  const logFile = join(directory, 'pgbouncer.log')
  const log = openSync(logFile, 'a')
  const child = startChild(
    'sh',
    // Its limit of open files must allow for the clients.
    ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$0" -q "$1"', file, ini],
    { stdio: ['ignore', log, log] },
    unprivilegedAccount(),
  )
  await untilAccepting('PgBouncer', port, child, () => readFileSync(logFile, 'utf8'))
  return {
    name: 'pgbouncer',
    port,
    pid: child.pid,
    version: version.text,
    refuses: (protocol) =>
      protocol === 'prepared' && !keepsPrepared
        ? `${version.text} loses prepared statements in transaction pooling (1.21 and later keep them)`
        : undefined,
    stop: () => stopChild(child, 'SIGKILL'),
  }
}

function settings(
  server: ServerAddress,
  port: number,
  users: string,
  keepsPrepared: boolean,
): string {
  return `
[databases]
${BENCH_DATABASE} = host=${server.host} port=${server.port} dbname=${BENCH_DATABASE} user=${BENCH_USER}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${POOL_SIZE}
max_client_conn = ${MAX_CLIENTS}
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
${keepsPrepared ? 'max_prepared_statements = 200' : ''}
`
}
