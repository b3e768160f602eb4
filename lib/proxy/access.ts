import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { AuthFileError } from '../auth/auth-file-error.ts'
import { AUTH_QUERY_PARAMETERS, AuthQuery, type AuthQueryTarget } from '../auth/auth-query.ts'
import { Authenticator, type AuthenticatorOptions } from '../auth/authenticator.ts'
import { readHbaRules } from '../auth/hba-file.ts'
import { type HbaMethod, type HbaRule, ruleForAll } from '../auth/hba-rules.ts'
import { HeldCredentials } from '../auth/held-credentials.ts'
import { type IdentMapping, readIdentMap } from '../auth/ident-map.ts'
import { credentialOfSecret, readUserSecret, type UserSecret } from '../auth/user-secret.ts'
import { connectBackend } from '../backend/backend-handshake.ts'
import type { ServerCredential } from '../backend/server-credential.ts'
import { ServerTls } from '../backend/server-tls.ts'
import type { Log } from '../base/log.ts'
import type { AuthType, Config } from '../config/config.ts'
import { UsageError } from '../config/usage-error.ts'
import { ClientTls } from '../session/client/client-tls.ts'
import { requiresTls, verifiesCertificates } from '../wire/tls-options.ts'
import { serverCredentials } from './server-credentials.ts'
import { readTls, unreadable } from './tls-files.ts'

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

  /** Throws UsageError for files that can't be used. */
  constructor(config: Config, log: Log) {
    this.#log = log
    this.#rules = readRules(config)
    this.#saltKey = saltKeyOf(config, this.#rules)
    this.#lookup = this.#makeLookup(config)
    this.authenticator = new Authenticator(this.#authenticatorOptions(config))
    this.serverTls = usable(() => new ServerTls(readTls(config.tls.server)), 'tls.server')
    this.clientTls = usable(() => new ClientTls(readTls(config.tls.client)), 'tls.client')
  }

  /** All or nothing: throws UsageError, and goes on as before, when a file can't be used. */
  reload(config: Config): void {
    const rules = readRules(config)
    const server = readTls(config.tls.server)
    usable(() => new ServerTls(server), 'tls.server')
    usable(() => this.clientTls.reload(readTls(config.tls.client)), 'tls.client')
    this.serverTls.reload(server)
    const former = this.#lookup
    this.#rules = rules
    this.#lookup = this.#makeLookup(config)
    this.authenticator.reload(this.#authenticatorOptions(config))
    former?.close()
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

  close(): void {
    this.#lookup?.close()
  }

  #authenticatorOptions({ auth, tls }: Config): AuthenticatorOptions {
    const { hba, identMap, users } = this.#rules
    return {
      rules: hba,
      identMap,
      users,
      lookup: this.#lookup,
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
    const targetOf = (database: string) => this.#targetOf(config, database)
    return new AuthQuery({ targetOf, log: this.#log })
  }

  #targetOf(config: Config, name: string): AuthQueryTarget | undefined {
    const { auth, databases, pool } = config
    const find = (wanted: string) =>
      databases.find((database) => database.name === wanted) ??
      databases.find((database) => database.name === '*')
    const asked = find(name)
    const user = asked?.auth_user ?? auth.auth_user
    const authName = asked?.auth_dbname ?? auth.auth_dbname ?? name
    const target = find(authName)
    if (asked === undefined || user === undefined || target === undefined) return undefined
    const node = { nodeId: 0, host: target.hosts[0], port: target.port }
    const database = target.dbname ?? authName
    const sql = asked.auth_query ?? auth.auth_query
    return {
      key: [node.host, node.port, database, user, sql].join('\0'),
      sql,
      connect: () =>
        connectBackend({
          node,
          tls: this.serverTls,
          database,
          user,
          credential: this.credentialOf(authName, user),
          parameters: AUTH_QUERY_PARAMETERS,
          connectTimeoutMs: pool.server_connect_timeout_ms,
          allowsCleartextPassword: false,
        }),
    }
  }
}

function readRules(config: Config): Rules {
  const { type, hba_file, ident_file } = config.auth
  const hba = type === 'hba' ? readWith(readHbaRules, hba_file) : [ruleForAll(METHODS[type])]
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

function usable<T>(make: () => T, key: string): T {
  try {
    return make()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`${key}: key and certificates can't be used: ${reason}`, { cause })
  }
}
