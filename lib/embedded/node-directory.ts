import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { runCommand } from './run-command.ts'
import type { ServerAccount } from './server-account.ts'

const SETTINGS_FILE = 'pgloom.conf'

/** Written anew at each start; `ALTER SYSTEM` of the user's overrides them, as postgresql.auto.conf is read last. */
const SETTINGS = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_connections = 200
max_prepared_transactions = 200
max_wal_senders = 20
max_replication_slots = 20
max_worker_processes = 16
max_locks_per_transaction = 256
shared_buffers = 64MB
fsync = on
log_line_prefix = '%m [%p] %q%u@%d '
`

/**
 * initdb's options. UTF8 and C.UTF-8 as a stock cluster would have them: bytewise order, and upper() and the like for all
 * of Unicode. Systems without that locale get C.
 */
const LOCALES = ['C.UTF-8', 'C'] as const

/** Makes the data directory where it is missing: whole or not at all, should we die meanwhile. */
export async function ensureNodeDirectory(
  dataDirectory: string,
  binaries: PostgresBinaries,
  account: ServerAccount | undefined,
): Promise<void> {
  if (existsSync(dataDirectory)) return assertFits(dataDirectory, binaries, account)
  const staging = mkdtempSync(join(dirname(dataDirectory), '.initdb-'))
  if (account !== undefined) chownSync(staging, account.uid, account.gid)
  try {
    await initialise(staging, binaries, account)
    appendFileSync(join(staging, 'postgresql.conf'), `\ninclude '${SETTINGS_FILE}'\n`)
    renameSync(staging, dataDirectory)
  } catch (error) {
    rmSync(staging, { recursive: true, force: true })
    throw error
  }
}

async function initialise(
  directory: string,
  binaries: PostgresBinaries,
  account: ServerAccount | undefined,
): Promise<void> {
  const initdb = join(binaries.directory, 'initdb')
  const options = ['-D', directory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  let failure: unknown
  for (const locale of LOCALES) {
    try {
      await runCommand(initdb, [...options, `--locale=${locale}`], account)
      return
    } catch (error) {
      failure = error
      if (!String(error).includes('invalid locale')) break
    }
  }
  throw failure
}

function assertFits(
  dataDirectory: string,
  binaries: PostgresBinaries,
  account: ServerAccount | undefined,
): void {
  const versionFile = join(dataDirectory, 'PG_VERSION')
  const found = existsSync(versionFile) ? readFileSync(versionFile, 'utf8').trim() : 'none'
  if (found !== String(binaries.major)) {
    throw new Error(
      `${dataDirectory} was made by Postgres ${found}, but the binaries are Postgres ${binaries.major}: use --postgres-bin with those of ${found}, or another directory with --data`,
    )
  }
  const owner = statSync(dataDirectory).uid
  const user = account?.uid ?? process.getuid?.() ?? owner
  if (owner !== user) {
    throw new Error(
      `${dataDirectory} belongs to user id ${owner}, but Postgres would run as user id ${user}: run pgloom as before, or choose another directory with --data`,
    )
  }
}

/** The port of the last run, so that it stays as long as nobody else takes it. */
export function lastPort(dataDirectory: string): number | undefined {
  const file = join(dataDirectory, SETTINGS_FILE)
  const settings = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const port = /^port = (\d+)$/m.exec(settings)?.[1]
  return port === undefined ? undefined : Number(port)
}

export function writeSettings(
  dataDirectory: string,
  port: number,
  account: ServerAccount | undefined,
): void {
  const file = join(dataDirectory, SETTINGS_FILE)
  writeFileSync(file, `# Written by pgloom at each start.\nport = ${port}${SETTINGS}`)
  if (account !== undefined) chownSync(file, account.uid, account.gid)
}
