import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { AuthFileError } from '../auth/auth-file-error.ts'
import { AuthQuery, type AuthQueryTarget } from '../auth/auth-query.ts'
import { Authenticator, type AuthenticatorOptions } from '../auth/authenticator.ts'
import { readHbaRules } from '../auth/hba-file.ts'
import { dependsOnRoles, type HbaMethod, type HbaRule, ruleForAll } from '../auth/hba-rules.ts'
import { HeldCredentials } from '../auth/held-credentials.ts'
import { SYSTEM_RESOLVER } from '../auth/host-name.ts'
import { type IdentMapping, readIdentMap } from '../auth/ident-map.ts'
import { QUESTION_PARAMETERS, type QuestionTarget } from '../auth/question-lines.ts'
import { RoleQuery } from '../auth/role-query.ts'
import { credentialOfSecret, readUserSecret, type UserSecret } from '../auth/user-secret.ts'
import { connectBackend } from '../backend/backend-handshake.ts'
import type { ServerCredential } from '../backend/server-credential.ts'
import { ServerTls } from '../backend/server-tls.ts'
import type { Log } from '../base/log.ts'
import type { AuthType, Config, ConfigDatabase } from '../config/config.ts'
import { UsageError } from '../config/usage-error.ts'
import { CONSOLE_DATABASES } from '../console/console-actions.ts'
import { ClientTls } from '../session/client/client-tls.ts'
import { requiresTls, verifiesCertificates } from '../wire/tls-options.ts'
import { serverCredentials } from './server-credentials.ts'
import { readTls, unreadable, unusableFile } from './tls-files.ts'

const METHODS: Readonly<Record<Exclude<AuthType, 'hba'>, HbaMethod>> = {
  trust: 'trust',
  any: 'trust',
  plain: 'password',
  md5: 'md5',
  'scram-sha-256': 'scram-sha-256',
  cert: 'cert',
}

/** Everything that is read from the files of a configuration, before any of it is used. */
type Rules = {
  readonly hba: readonly HbaRule[]
  readonly identMap: readonly IdentMapping[]
  readonly users: ReadonlyMap<string, UserSecret>
  readonly serverCredentials: ReadonlyMap<string, ServerCredential>
}

/** Who may come in, how they prove it, and what we log in to servers with. reload() takes new rules, and drops nobody. */
export class Access {
  readonly authenticator: Authenticator
  readonly credentials = new HeldCredentials()
  readonly clientTls: ClientTls
  readonly serverTls: ServerTls
  readonly #log: Log
  readonly #saltKey: Buffer
  #rules: Rules
  #lookup: AuthQuery | undefined
  #roleLookup: RoleQuery

  /** Throws UsageError for files that can't be used. */
  constructor(config: Config, log: Log) {
    this.#log = log
    this.#rules = readRules(config)
    this.#saltKey = saltKeyOf(config, this.#rules)
    this.#lookup = this.#makeLookup(config)
    this.#roleLookup = this.#makeRoleLookup(config)
    this.authenticator = new Authenticator(this.#authenticatorOptions(config))
    this.serverTls = usable(() => new ServerTls(readTls(config.tls.server)), config, 'server')
    this.clientTls = usable(() => new ClientTls(readTls(config.tls.client)), config, 'client')
  }

  /** All or nothing: throws UsageError, and goes on as before, when a file can't be used. */
  reload(config: Config): void {
    const rules = readRules(config)
    const server = readTls(config.tls.server)
    usable(() => new ServerTls(server), config, 'server')
    usable(() => this.clientTls.reload(readTls(config.tls.client)), config, 'client')
    this.serverTls.reload(server)
    const former = [this.#lookup, this.#roleLookup]
    this.#rules = rules
    this.#lookup = this.#makeLookup(config)
    this.#roleLookup = this.#makeRoleLookup(config)
    this.authenticator.reload(this.#authenticatorOptions(config))
    for (const lookup of former) lookup?.close()
  }

  /** What is configured for this user; else what he has proved to know. */
  credentialOf(database: string, user: string): ServerCredential | undefined {
    const configured = this.#rules.serverCredentials.get(user)
    if (configured !== undefined) return configured
    const held = this.credentials.of(database, user)
    if (held !== undefined) return held
    const secret = this.#rules.users.get(user)
    return secret === undefined ? undefined : credentialOfSecret(secret)
  }

  /** What the rules say and we can't do. */
  get warnings(): readonly string[] {
    return this.#rules.hba.flatMap(({ place, foreignMethod: method }) => {
      if (method === undefined) return []
      return `${place}: authentication method ${method} is not supported: clients of this rule are refused`
    })
  }

  close(): void {
    this.#lookup?.close()
    this.#roleLookup.close()
  }

  #authenticatorOptions({ auth, tls }: Config): AuthenticatorOptions {
    const { hba, identMap, users } = this.#rules
    return {
      rules: hba,
      identMap,
      users,
      lookup: this.#lookup,
      roleLookup: this.#roleLookup,
      resolver: SYSTEM_RESOLVER,
      saltKey: this.#saltKey,
      scramIterations: auth.scram_iterations,
      prefersScram:
        this.#lookup !== undefined || [...users.values()].some(({ kind }) => kind === 'scram'),
      requiresEncryption: requiresTls(tls.client.sslmode),
      requiresCertificate: verifiesCertificates(tls.client.sslmode),
      allowsPlainPassword: auth.type === 'plain',
    }
  }

  #makeLookup(config: Config): AuthQuery | undefined {
    const { auth, databases } = config
    const hasUser = auth.auth_user ?? databases.find(({ auth_user }) => auth_user)?.auth_user
    if (hasUser === undefined) return undefined
    const targetOf = (database: string) => this.#authQueryTargetOf(config, database)
    return new AuthQuery({ targetOf, log: this.#log })
  }

  #makeRoleLookup(config: Config): RoleQuery {
    // of a sharded database anyone who can log in will do
    const targetOf = (database: string) => this.#targetOf(config, database, config.metadata_user)
    return new RoleQuery({ targetOf, log: this.#log })
  }

  #authQueryTargetOf(config: Config, name: string): AuthQueryTarget | undefined {
    const target = this.#targetOf(config, name)
    const sql = databaseOf(config, name)?.auth_query ?? config.auth.auth_query
    return target && { ...target, key: `${target.key}\0${sql}`, sql }
  }

  /** As auth_user, or of sharded databases as `ownUser`. */
  #targetOf(config: Config, name: string, ownUser?: string): QuestionTarget | undefined {
    const { auth, pool } = config
    const isConsole = CONSOLE_DATABASES.has(name)
    const asked = isConsole ? undefined : databaseOf(config, name)
    const user = asked?.auth_user ?? auth.auth_user ?? (asked?.sharded ? ownUser : undefined)
    const authName = asked?.auth_dbname ?? auth.auth_dbname ?? (asked && name)
    if (authName === undefined || user === undefined) return undefined
    const target = databaseOf(config, authName)
    if (target === undefined) return undefined
    const node = { nodeId: 0, host: target.hosts[0], port: target.port }
    const database = target.dbname ?? authName
    return {
      key: [node.host, node.port, database, user].join('\0'),
      connect: () =>
        connectBackend({
          node,
          tls: this.serverTls,
          database,
          user,
          credential: this.credentialOf(authName, user),
          parameters: QUESTION_PARAMETERS,
          connectTimeoutMs: pool.server_connect_timeout_ms,
          allowsCleartextPassword: false,
        }),
    }
  }
}

function databaseOf({ databases }: Config, name: string): ConfigDatabase | undefined {
  return (
    databases.find((database) => database.name === name) ??
    databases.find((database) => database.name === '*')
  )
}

function readRules(config: Config): Rules {
  const { type, hba_file, ident_file } = config.auth
  const hba = type === 'hba' ? readWith(readHbaRules, hba_file) : [ruleForAll(METHODS[type])]
  checkRoles(config, hba ?? [])
  const users = new Map<string, UserSecret>()
  for (const { name, password, scram_secret, md5_secret } of config.users) {
    const secret = readUserSecret(scram_secret ?? md5_secret ?? '')
    if (password !== undefined) users.set(name, { kind: 'plain', password })
    else if (secret !== undefined) users.set(name, secret)
  }
  return {
    hba: hba ?? [],
    identMap: readWith(readIdentMap, ident_file) ?? [],
    users,
    serverCredentials: serverCredentials(config),
  }
}

function checkRoles({ auth, databases }: Config, rules: readonly HbaRule[]): void {
  const rule = rules.find(dependsOnRoles)
  const canAsk =
    auth.auth_user !== undefined || databases.some((one) => one.auth_user ?? one.sharded)
  if (rule === undefined || canAsk) return
  const reason = 'who is member of a role is asked of the servers, as auth_user, which is missing'
  throw new UsageError(`${rule.place}: ${reason}`)
}

function readWith<T>(read: (text: string, file: string) => T, file: string | undefined) {
  if (file === undefined) return undefined
  try {
    return read(readFileSync(file, 'utf8'), file)
  } catch (cause) {
    if (cause instanceof AuthFileError) throw new UsageError(cause.message, { cause })
    throw unreadable(file, cause)
  }
}

/** Not for strangers' eyes (machine-id(5)): a hash of it with more is. */
const MACHINE_ID_FILE = '/etc/machine-id'

/**
 * The same in all processes of a proxy, whatever of this there is, and unknown to whoever doesn't know a secret. Random where
 * there is nothing at all.
 */
function saltKeyOf({ tls }: Config, { users, serverCredentials: credentials }: Rules): Buffer {
  const sources = [
    ...[...users].map((entry) => JSON.stringify(entry)),
    ...[...credentials].map((entry) => JSON.stringify(entry)),
    ...[tls.client.key_file, MACHINE_ID_FILE].map(contentOf),
  ].filter((text) => text !== '')
  if (sources.length === 0) return randomBytes(32)
  const hash = createHash('sha256').update('salts of users who do not exist')
  for (const text of sources.sort()) hash.update(`${text.length}:${text}`)
  return hash.digest()
}

function contentOf(file: string | undefined): string {
  try {
    return file === undefined ? '' : readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

function usable<T>(make: () => T, { tls }: Config, side: 'client' | 'server'): T {
  try {
    return make()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    const reason =
      unusableFile(tls[side]) ?? (cause instanceof Error ? cause.message : String(cause))
    throw new UsageError(`tls.${side}: key and certificates can't be used: ${reason}`, { cause })
  }
}
