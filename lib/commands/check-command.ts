import pg from 'pg'
import { Log } from '../base/log.ts'
import type { Config, ConfigDatabase } from '../config/config.ts'
import { Access } from '../proxy/access.ts'
import { connectionAs, credentialHint } from '../proxy/own-connection.ts'

/** Of pgloom check: an error is what keeps clients from being served. */
export type Finding = { readonly kind: 'ok' | 'warning' | 'error'; readonly text: string }

type Facts = {
  readonly version: string
  readonly version_number: number
  readonly max_prepared_transactions: number
  readonly max_connections: number
  readonly wal_level: string
  readonly may_create: boolean
}

const OLDEST_VERSION = 150_000

const FACTS = `SELECT current_setting('server_version') AS version,
  current_setting('server_version_num')::int AS version_number,
  current_setting('max_prepared_transactions')::int AS max_prepared_transactions,
  current_setting('max_connections')::int AS max_connections,
  current_setting('wal_level') AS wal_level,
  has_database_privilege(current_database(), 'CREATE') AS may_create`

/**
 * Asks every server of every database whether it lets us in and is fit for what it shall do. Rejects with UsageError where
 * rules and certificates can't be used.
 */
export async function probeServers(config: Config): Promise<readonly Finding[]> {
  const access = new Access(config, new Log('error'))
  access.close()
  const warnings = access.warnings.map((text) => ({ kind: 'warning' as const, text }))
  const probes = config.databases.flatMap((database) => {
    return database.hosts.map((host) => probe(config, { ...database, host }))
  })
  const lookups = lookupsOf(config).map((lookup) => probeLookup(config, lookup))
  return [...warnings, ...(await Promise.all([...probes, ...lookups])).flat()]
}

async function probe(
  config: Config,
  database: ConfigDatabase & { readonly host: string },
): Promise<readonly Finding[]> {
  const { name, sharded, host, port } = database
  const user = sharded ? config.metadata_user : userOf(config, database)
  const address = `${host}:${port}`
  if (name === '*' || user === undefined) {
    return [{ kind: 'ok', text: `database ${name} on ${address}: not probed, no user is known` }]
  }
  const where = `database ${name} on ${address} as user ${user}`
  const client = new pg.Client(connectionAs(config, user, database))
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<Facts>(FACTS)
    const [facts] = rows
    return facts === undefined ? [] : judge(facts, where, config, database)
  } catch (error) {
    return [{ kind: 'error', text: `${where}: ${reasonOf(error, config, user, database)}` }]
  } finally {
    await client.end().catch(() => undefined)
  }
}

function reasonOf(
  error: unknown,
  config: Config,
  user: string,
  database: Pick<ConfigDatabase, 'password'>,
): string {
  const reason = error instanceof Error ? error.message : String(error)
  const hint = database.password === undefined ? credentialHint(config, user) : undefined
  return hint === undefined ? reason : `${reason} (${hint})`
}

/** Somebody whose password is known: the forced one, else the first who has one. */
function userOf({ users, auth }: Config, database: ConfigDatabase): string | undefined {
  if (database.user !== undefined) return database.user
  const known = users.find((user) => (user.server_password ?? user.password) !== undefined)
  return known?.name ?? database.auth_user ?? auth.auth_user
}

type Lookup = {
  readonly user: string
  readonly sql: string
  readonly database: ConfigDatabase & { readonly host: string }
}

/** Where users are looked up by auth_query, each place once. */
function lookupsOf({ auth, databases }: Config): readonly Lookup[] {
  const find = (wanted: string) =>
    databases.find(({ name }) => name === wanted) ?? databases.find(({ name }) => name === '*')
  const found = new Map<string, Lookup>()
  for (const asked of databases) {
    const user = asked.auth_user ?? auth.auth_user
    const name = asked.auth_dbname ?? auth.auth_dbname ?? asked.name
    const target = find(name)
    if (user === undefined || target === undefined || name === '*') continue
    const sql = asked.auth_query ?? auth.auth_query
    // it logs in with its own password, not with that of the database's clients
    const { password: _, ...place } = target
    const database = { ...place, name, host: target.hosts[0] }
    found.set([name, user, sql].join('\0'), { user, sql, database })
  }
  return [...found.values()]
}

async function probeLookup(
  config: Config,
  { user, sql, database }: Lookup,
): Promise<readonly Finding[]> {
  const where = `auth_query in database ${database.name} as user ${user}`
  if (config.users.some(({ name, md5_secret }) => name === user && md5_secret !== undefined)) {
    return [{ kind: 'ok', text: `${where}: not probed, only an MD5 secret is known` }]
  }
  const client = new pg.Client(connectionAs(config, user, database))
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SET search_path = pg_catalog')
    await client.query(sql, [user])
    return [{ kind: 'ok', text: `${where}: works` }]
  } catch (error) {
    return [{ kind: 'error', text: `${where}: ${reasonOf(error, config, user, {})}` }]
  } finally {
    await client.end().catch(() => undefined)
  }
}

function judge(
  facts: Facts,
  where: string,
  { pool, multi_shard_commit_protocol: protocol }: Config,
  database: ConfigDatabase,
): readonly Finding[] {
  const { version, version_number, max_connections } = facts
  const found: Finding[] = [{ kind: 'ok', text: `${where}: Postgres ${version}` }]
  const say = (kind: Finding['kind'], what: string) =>
    found.push({ kind, text: `${where}: ${what}` })
  const size = database.pool_size ?? pool.default_pool_size
  if (size > max_connections) {
    say('warning', `pools of ${size} connections, but max_connections is ${max_connections}`)
  }
  if (!database.sharded) return found
  if (version_number < OLDEST_VERSION) say('error', 'a sharded database needs Postgres 15 or newer')
  if (facts.max_prepared_transactions === 0) {
    const effect =
      protocol === '2pc'
        ? 'no transaction can write on several nodes'
        : 'commits over several nodes may be left half-done'
    say('warning', `max_prepared_transactions is 0: ${effect}`)
  }
  if (facts.wal_level !== 'logical') {
    say('warning', `wal_level is ${facts.wal_level}: shards can be moved only where it is logical`)
  }
  if (!facts.may_create) say('error', 'the metadata user may not create schemas: GRANT CREATE')
  return found
}
