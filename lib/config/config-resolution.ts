import { resolve } from 'node:path'
import type { Config, ConfigAuth, ConfigDatabase, ConfigTls, ConfigUser } from './config.ts'
import type { Fault } from './fault.ts'
import type { WrittenConfig, WrittenDatabase } from './schema-check.ts'
import { readUsersFile } from './users-file.ts'

const DEFAULT_PORT = 5432

/** Makes one form of those that say the same. What can't be resolved is a fault; the result is of no use then. */
export function resolveConfig(written: WrittenConfig, directory: string, faults: Fault[]): Config {
  const { coordinator, databases, listen, tls, ...rest } = written
  const auth = withPaths(written.auth, directory)
  const { host, ...listening } = listen
  return {
    ...rest,
    listen: { ...listening, hosts: [host].flat() },
    databases: databases.map((entry, index) => {
      const database = typeof entry === 'string' ? { name: entry } : entry
      return resolveDatabase(database, coordinator, ['databases', String(index)], faults)
    }),
    auth,
    users: withUsersFile(written.users, auth.users_file, faults),
    tls: { client: withPaths(tls.client, directory), server: withPaths(tls.server, directory) },
  }
}

function resolveDatabase(
  database: WrittenDatabase,
  coordinator: WrittenConfig['coordinator'],
  path: readonly string[],
  faults: Fault[],
): ConfigDatabase {
  const { host, client_encoding: encoding, ...rest } = database
  if (encoding !== undefined && !/^(utf-?8|unicode)$/i.test(encoding)) {
    faults.push({ path: [...path, 'client_encoding'], reason: 'must be UTF8' })
  }
  const [first, ...others] = [host ?? coordinator?.host ?? []].flat()
  if (first === undefined) {
    const reason = 'is missing, and there is no coordinator whose database it could be'
    faults.push({ path: [...path, 'host'], reason })
  }
  const ownPort = host === undefined ? coordinator?.port : undefined
  return {
    load_balance_hosts: 'round-robin',
    ...rest,
    sharded: database.sharded ?? (host === undefined && database.name !== '*'),
    hosts: [first ?? '', ...others],
    port: database.port ?? ownPort ?? DEFAULT_PORT,
  }
}

/** What the file says of a user who is in the configuration too is added to what that says. */
function withUsersFile(
  users: readonly ConfigUser[],
  file: string | undefined,
  faults: Fault[],
): readonly ConfigUser[] {
  if (file === undefined) return users
  const refuse = (reason: string) => faults.push({ path: ['auth', 'users_file'], reason })
  try {
    const read = readUsersFile(file)
    for (const fault of read.faults) refuse(fault)
    const listed = new Map(read.users.map((user) => [user.name, user]))
    const known = users.map((user) => ({ ...listed.get(user.name), ...user }))
    const names = new Set(users.map(({ name }) => name))
    return [...known, ...read.users.filter(({ name }) => !names.has(name))]
  } catch (error) {
    refuse(`cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
    return users
  }
}

/** Their paths are relative to the directory of the configuration. */
function withPaths<T extends ConfigAuth | ConfigTls>(section: T, directory: string): T {
  const paths = Object.entries(section).flatMap(([key, value]) => {
    return key.endsWith('_file') ? [[key, resolve(directory, String(value))] as const] : []
  })
  return { ...section, ...Object.fromEntries(paths) }
}
