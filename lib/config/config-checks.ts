import { accessSync, constants } from 'node:fs'
import type { Config, ConfigDatabase, ConfigTls } from './config.ts'
import type { KeyPath } from './config-source.ts'
import type { Fault } from './fault.ts'

/** What runs of a sharded database hold at once on one node: the statement's connection and one for its side. */
const MIN_SHARDED_POOL_SIZE = 2

/** What the schema can't say: whether the keys go together, and whether the files are there. */
export function checkMeaning(config: Config, faults: Fault[]): void {
  config.databases.forEach((database, index) => {
    checkDatabase(config, database, ['databases', String(index)], faults)
  })
  checkNames(config.databases, 'databases', faults)
  checkNames(config.users, 'users', faults)
  checkUsers(config, faults)
  checkAuth(config, faults)
  checkClientTls(config, faults)
  checkTls(config.tls.client, ['tls', 'client'], faults)
  checkTls(config.tls.server, ['tls', 'server'], faults)
}

function checkDatabase(
  { pool }: Config,
  database: ConfigDatabase,
  path: KeyPath,
  faults: Fault[],
): void {
  const { name, sharded, hosts, pool_size: size = pool.default_pool_size } = database
  if (name === 'pgbouncer' || name === 'pgloom') {
    faults.push({ path: [...path, 'name'], reason: `${name} is the name of the console` })
  }
  if (!sharded) return
  const refuse = (key: string, reason: string) => faults.push({ path: [...path, key], reason })
  if (name === '*') refuse('sharded', 'the fallback * is pooled only')
  if (hosts.length > 1) refuse('host', 'a sharded database has one coordinator')
  if (database.user !== undefined) refuse('user', 'a sharded database is used by its own users')
  if (database.dbname !== undefined && database.dbname !== name) {
    refuse('dbname', 'a sharded database has the same name on all nodes and here')
  }
  const mode = database.pool_mode ?? pool.pool_mode
  if (mode === 'statement') refuse('pool_mode', 'a sharded database needs transactions')
  if (size > 0 && size < MIN_SHARDED_POOL_SIZE) {
    refuse('pool_size', `a sharded database needs at least ${MIN_SHARDED_POOL_SIZE} connections`)
  }
}

function checkNames(
  entries: readonly { readonly name: string }[],
  section: string,
  faults: Fault[],
): void {
  const seen = new Set<string>()
  entries.forEach(({ name }, index) => {
    if (seen.has(name)) {
      faults.push({ path: [section, String(index), 'name'], reason: `${name} is there twice` })
    }
    seen.add(name)
  })
}

function checkUsers({ users }: Config, faults: Fault[]): void {
  users.forEach((user, index) => {
    const secrets = (['password', 'scram_secret', 'md5_secret'] as const).filter(
      (key) => key in user,
    )
    if (secrets.length > 1) {
      const reason = `has both ${secrets.join(' and ')}: keep one`
      faults.push({ path: ['users', String(index)], reason })
    }
  })
}

/** Whom we log in as for our own purposes: a SCRAM secret can check a password, and not stand for it. */
export function warnOfSecrets({
  databases,
  users,
  auth,
  metadata_user,
}: Config): readonly string[] {
  const isSharded = databases.some(({ sharded }) => sharded)
  const roles = [
    ['metadata_user', isSharded ? metadata_user : undefined],
    ['auth_user', auth.auth_user],
    ...databases.map(({ auth_user }) => ['auth_user', auth_user] as const),
  ] as const
  const warnings = roles.flatMap(([role, name]) => {
    const user = users.find((one) => one.name === name)
    if (user?.scram_secret === undefined || user.server_password !== undefined) return []
    return `${role} ${name} has a SCRAM secret only, which is no password: servers must trust it, or it needs a server_password`
  })
  return [...new Set(warnings)]
}

function checkAuth({ auth, tls }: Config, faults: Fault[]): void {
  const { type, hba_file, ident_file } = auth
  if (type === 'hba' && hba_file === undefined) {
    faults.push({ path: ['auth', 'hba_file'], reason: 'is missing, and auth.type is hba' })
  }
  if (type === 'cert' && !tls.client.sslmode.startsWith('verify')) {
    const reason = 'must be verify-full, since auth.type is cert'
    faults.push({ path: ['tls', 'client', 'sslmode'], reason })
  }
  checkReadable({ hba_file, ident_file }, ['auth'], faults)
}

function checkClientTls({ tls: { client } }: Config, faults: Fault[]): void {
  if (client.sslmode === 'disable') return
  const needed = ['key_file', 'cert_file'] as const
  for (const key of needed) {
    if (client[key] !== undefined) continue
    const reason = `is missing, and sslmode is ${client.sslmode}`
    faults.push({ path: ['tls', 'client', key], reason })
  }
}

function checkTls(tls: ConfigTls, path: KeyPath, faults: Fault[]): void {
  const { sslmode, key_file, cert_file, ca_file } = tls
  if (sslmode === 'disable') return
  if (sslmode.startsWith('verify') && ca_file === undefined) {
    faults.push({ path: [...path, 'ca_file'], reason: `is missing, and sslmode is ${sslmode}` })
  }
  if ((key_file === undefined) !== (cert_file === undefined)) {
    const [missing, present] = key_file === undefined ? ['key', 'cert'] : ['cert', 'key']
    const reason = `is missing, and there is a ${present}_file`
    faults.push({ path: [...path, `${missing}_file`], reason })
  }
  checkReadable({ key_file, cert_file, ca_file }, path, faults)
}

function checkReadable(
  files: Readonly<Record<string, string | undefined>>,
  path: KeyPath,
  faults: Fault[],
): void {
  for (const [key, file] of Object.entries(files)) {
    if (file === undefined) continue
    try {
      accessSync(file, constants.R_OK)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      faults.push({ path: [...path, key], reason: `cannot read ${file} (${code})` })
    }
  }
}
