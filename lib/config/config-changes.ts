import type { Config } from './config.ts'

/** Read once: a reload leaves them as they were. */
const AT_START = [
  'listen.hosts',
  'listen.port',
  'listen.backlog',
  'listen.unix_socket_dir',
  'listen.unix_socket_mode',
  'tcp',
  'processes',
  'http',
  'log.level',
  'metadata_poll_interval_ms',
  'recover_2pc_interval_ms',
  'multi_shard_commit_protocol',
] as const

/** `path` is of the file; `listen.host` is `listen.hosts` once it is read. */
export function isReadAtStart(path: string): boolean {
  const keys = AT_START.map((key) => (key === 'listen.hosts' ? 'listen.host' : key))
  return keys.some((key) => path === key || path.startsWith(`${key}.`))
}

/** Keys of which another value than that of the start takes effect after a restart only. */
export function keysForRestart(before: Config, after: Config): readonly string[] {
  return AT_START.filter((key) => differs(at(before, key), at(after, key))).map((key) => {
    return key === 'listen.hosts' ? 'listen.host' : key
  })
}

/** Databases whose new connections are other than the old: those are to be replaced. */
export function databasesToReconnect(before: Config, after: Config): (name: string) => boolean {
  if (differs(before.tls.server, after.tls.server)) return () => true
  return (name) => {
    const wanted = connectionsOf(after, name)
    // of a database that was removed they are as good as they were
    return wanted !== undefined && differs(connectionsOf(before, name), wanted)
  }
}

function connectionsOf({ databases }: Config, name: string): unknown {
  const entry =
    databases.find((database) => database.name === name) ??
    databases.find((database) => database.name === '*')
  if (entry === undefined) return undefined
  const { hosts, port, dbname, user, password, connect_query } = entry
  const { datestyle, timezone, application_name } = entry
  return [hosts, port, dbname, user, password, connect_query, datestyle, timezone, application_name]
}

function at(config: Config, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => {
    return (value as Readonly<Record<string, unknown>>)[key]
  }, config)
}

function differs(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b)
}
