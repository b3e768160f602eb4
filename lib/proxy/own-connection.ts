import pg from 'pg'
import { ServerTls } from '../backend/server-tls.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Config, ConfigDatabase } from '../config/config.ts'
import { installMetadata } from '../control/metadata-schema.ts'
import { readTls } from './tls-files.ts'

/** How we connect to a sharded database's coordinator for our own purposes: as the metadata user. */
export function ownConnection(config: Config, database: ConfigDatabase) {
  return connectionAs(config, config.metadata_user, { ...database, host: database.hosts[0] })
}

/** With what the configuration knows of the user. */
export function connectionAs(
  { pool, tls, users }: Config,
  user: string,
  { host, port, name, dbname, password }: ConfigDatabase & { readonly host: string },
) {
  const known = users.find((entry) => entry.name === user)
  return {
    host,
    port,
    database: dbname ?? name,
    user,
    ssl: new ServerTls(readTls(tls.server)).requiredOptions(host),
    password: password ?? known?.server_password ?? known?.password ?? '',
    connectionTimeoutMillis: pool.server_connect_timeout_ms,
    application_name: 'pgloom',
  }
}

/** Connected to the coordinator until `work` has ended. */
export async function withOwnConnection<T>(
  config: Config,
  database: ConfigDatabase,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client(ownConnection(config, database))
  // A lost connection shows in the query that runs, or in the next one.
  client.on('error', () => undefined)
  try {
    await client.connect().catch((cause: unknown) => {
      throw unusable(config, database, cause)
    })
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** What keeps us from logging in as this user, as far as the configuration shows. */
export function credentialHint({ users }: Config, user: string): string | undefined {
  const known = users.find(({ name }) => name === user)
  if (known === undefined) return `users has no entry for ${user}, so no password is known`
  if (known.server_password !== undefined || known.password !== undefined) return undefined
  return `users has only a secret of ${user}, not its password: give its server_password`
}

function unusable(config: Config, database: ConfigDatabase, cause: unknown): Error {
  const { name, hosts, port } = database
  const where = `database ${name} of the coordinator ${hosts[0]}:${port}`
  const reason = cause instanceof Error ? cause.message : String(cause)
  const hint = credentialHint(config, config.metadata_user)
  const more = hint === undefined ? '' : ` (${hint})`
  const message = `cannot use ${where} as user ${config.metadata_user}: ${reason}${more}`
  return new Error(message, { cause })
}

/**
 * Makes or upgrades the metadata schema of a database. Where our user may not, the proxy serves nevertheless: with the
 * metadata there are, or with local tables only.
 */
export async function ensureMetadata(
  config: Config,
  database: ConfigDatabase,
  log: Log,
): Promise<void> {
  try {
    await withOwnConnection(config, database, installMetadata)
  } catch (error) {
    if (!isRefusal(error)) throw error
    log.warn('the metadata schema cannot be installed or upgraded by the metadata user', {
      user: config.metadata_user,
      error,
    })
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === SqlState.insufficientPrivilege
}
