import { randomBytes, randomUUID } from 'node:crypto'
import type { ServerCredential } from '../backend/server-credential.ts'
import { BackendLost, RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { md5Secret } from '../wire/md5.ts'
import { keysOfPassword, type ScramKeys } from '../wire/scram-secret.ts'
import { ScramServer } from '../wire/scram-server.ts'
import type { UserLookup } from './auth-query.ts'
import { ClientQuestions, lookupFailed } from './client-questions.ts'
import { type HbaClient, type HbaRule, matchingRule } from './hba-rules.ts'
import type { HostResolver } from './host-name.ts'
import { type IdentMapping, isMapped } from './ident-map.ts'
import type { RoleLookup } from './role-query.ts'
import { ScramSecrets } from './scram-secrets.ts'
import {
  credentialOfSecret,
  equalsSecret,
  isMd5Answer,
  md5SecretOf,
  type UserSecret,
} from './user-secret.ts'

export type AuthenticatorOptions = {
  /** The first that matches a client says how it proves who it is. */
  readonly rules: readonly HbaRule[]
  readonly identMap: readonly IdentMapping[]
  readonly users: ReadonlyMap<string, UserSecret>
  /** For users who are not among `users`. */
  readonly lookup: UserLookup | undefined
  /** For rules that are for members of roles. */
  readonly roleLookup: RoleLookup
  /** For rules that name hosts. */
  readonly resolver: HostResolver
  /** The same in all processes of a proxy: salts of users who don't exist are derived of it. */
  readonly saltKey: Buffer
  readonly scramIterations: number
  /** What method md5 asks of users who don't exist: it must be what most others are asked. */
  readonly prefersScram: boolean
  /** Clients of other machines must use TLS. */
  readonly requiresEncryption: boolean
  /** And show a valid certificate. */
  readonly requiresCertificate: boolean
  /** Passwords may be asked for without encryption. */
  readonly allowsPlainPassword: boolean
}

export type ClientCertificate = {
  /** Signed by a certificate that we trust, not out of date. */
  readonly isValid: boolean
  readonly commonName: string | undefined
  /** Subject alternative names. */
  readonly otherNames: readonly string[]
}

/** A client that wants to log in. */
export type ClientIdentity = HbaClient & {
  readonly certificate: ClientCertificate | undefined
  /** Of our certificate; undefined: without TLS. */
  readonly channelBinding: Buffer | undefined
}

/** What the proof is good for besides. */
export type Proof = { readonly credential: ServerCredential | undefined }

/** How a client is to prove who it is. A check that fails resolves to undefined. */
export type Challenge =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly check: (password: string) => Promise<Proof | undefined> }
  | {
      readonly kind: 'md5'
      readonly salt: Buffer
      readonly check: (answer: string) => Promise<Proof | undefined>
    }
  | {
      readonly kind: 'scram'
      readonly server: ScramServer
      /** Of the keys that the server has found. */
      readonly proved: (keys: ScramKeys) => Proof
      readonly failed: () => void
    }

const MD5_SALT_BYTES = 4

/** Who may log in, and how they prove it. A user we don't know goes through the same conversation, and fails. */
export class Authenticator {
  #options: AuthenticatorOptions
  #scramSecrets: ScramSecrets

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#scramSecrets = new ScramSecrets(options.saltKey, options.scramIterations)
  }

  /** From now on; logins under way go on with what they have begun. */
  reload(options: AuthenticatorOptions): void {
    this.#options = options
    this.#scramSecrets = new ScramSecrets(options.saltKey, options.scramIterations)
  }

  /** Throws (28000) when the client isn't let in at all. */
  async challenge(client: ClientIdentity): Promise<Challenge> {
    const { rules, requiresEncryption, requiresCertificate } = this.#options
    const isRemote = client.address !== undefined
    if (requiresEncryption && isRemote && !client.isEncrypted) {
      throw refusal('SSL required', 'Connect with sslmode=require.')
    }
    if (requiresCertificate && isRemote) checkCertificate(client)
    const questions = new ClientQuestions(client, this.#options.roleLookup, this.#options.resolver)
    const rule = await matchingRule(rules, client, questions)
    if (rule === undefined) throw refused('no pg_hba.conf entry', client)
    this.#checkCertificate(rule, client)
    switch (rule.method) {
      case 'trust':
      case 'cert':
        return { kind: 'none' }
      case 'reject':
        if (rule.foreignMethod !== undefined) throw notSupported(rule.foreignMethod)
        throw refused('pg_hba.conf rejects connection', client)
      case 'password':
        return this.#passwordChallenge(client, rule)
      case 'md5':
        return await this.#md5Challenge(client)
      case 'scram-sha-256':
        return await this.#scramChallenge(client)
    }
  }

  #checkCertificate(rule: HbaRule, client: ClientIdentity): void {
    const { user } = client
    if (rule.clientCert === undefined) return
    const { commonName, otherNames } = checkCertificate(client)
    if (rule.clientCert === 'verify-ca') return
    const names = rule.clientName === 'CN' ? [commonName ?? ''] : otherNames
    if (!isMapped(this.#options.identMap, rule.map, names, user)) {
      throw refusal(`certificate authentication failed for user "${user}"`)
    }
  }

  #passwordChallenge(client: ClientIdentity, { transport }: HbaRule): Challenge {
    const isPrivate = client.isEncrypted || client.address === undefined
    // who writes hostnossl means it
    const isAllowed = this.#options.allowsPlainPassword || transport === 'hostnossl'
    if (!isPrivate && !isAllowed) {
      const message = 'a password is accepted over an encrypted connection only'
      throw refusal(message, 'Connect with sslmode=require.')
    }
    const check = async (password: string) => {
      if (password === '') return undefined
      const proof = await this.#checkPassword(client, password)
      // the server may have a newer one
      return (
        proof ?? (this.#forget(client) ? await this.#checkPassword(client, password) : undefined)
      )
    }
    return { kind: 'password', check }
  }

  /** The keys are derived whatever the secret is, so that all take the same time. */
  async #checkPassword(client: ClientIdentity, password: string): Promise<Proof | undefined> {
    const { user } = client
    const secret = await this.#secretOf(client)
    const keys = await keysOfPassword(password, await this.#scramSecrets.of(user, secret))
    switch (secret?.kind) {
      case 'scram':
        return keys === undefined ? undefined : { credential: { kind: 'scram-keys', keys } }
      case 'md5': {
        const isRight = equalsSecret(secret.secret, md5Secret(user, password))
        return isRight ? proofOf(secret) : undefined
      }
      case 'plain':
        return keys === undefined ? undefined : proofOf(secret)
      case undefined:
        return undefined
    }
  }

  /** Who has a SCRAM secret, and whoever we don't know where others have one, is asked for SCRAM. */
  async #md5Challenge(client: ClientIdentity): Promise<Challenge> {
    const { user } = client
    const secret = await this.#secretOf(client)
    const usesScram = secret === undefined ? this.#options.prefersScram : secret.kind === 'scram'
    if (usesScram) return await this.#scramChallenge(client)
    const salt = randomBytes(MD5_SALT_BYTES)
    const expected = (secret && md5SecretOf(user, secret)) ?? md5Secret(user, randomUUID())
    const check = (answer: string) => {
      const isRight = isMd5Answer(expected, salt, answer) && secret !== undefined
      if (!isRight) this.#forget(client)
      return Promise.resolve(isRight ? proofOf(secret) : undefined)
    }
    return { kind: 'md5', salt, check }
  }

  async #scramChallenge(client: ClientIdentity): Promise<Challenge> {
    const { user, channelBinding } = client
    const secret = await this.#secretOf(client)
    const scramSecret = await this.#scramSecrets.of(user, secret)
    return {
      kind: 'scram',
      server: new ScramServer(scramSecret, { channelBinding }),
      proved: (keys) =>
        secret?.kind === 'plain' ? proofOf(secret) : { credential: { kind: 'scram-keys', keys } },
      failed: () => {
        this.#forget(client)
      },
    }
  }

  async #secretOf({ user, database }: ClientIdentity): Promise<UserSecret | undefined> {
    const { users, lookup } = this.#options
    const known = users.get(user)
    if (known !== undefined || lookup === undefined) return known
    try {
      return await lookup.find(user, database)
    } catch (cause) {
      if (!(cause instanceof BackendLost)) throw cause
      throw lookupFailed(cause)
    }
  }

  /** true: there may be something newer. */
  #forget({ user, database }: ClientIdentity): boolean {
    const { users, lookup } = this.#options
    if (lookup === undefined || users.has(user)) return false
    lookup.forget(user, database)
    return true
  }
}

export function passwordRefused(user: string): RouterError {
  return new RouterError(
    SqlState.invalidPassword,
    `password authentication failed for user "${user}"`,
    { severity: 'FATAL' },
  )
}

function notSupported(method: string): RouterError {
  return refusal(`authentication method ${method} is not supported`)
}

function checkCertificate({ certificate }: ClientIdentity): ClientCertificate {
  if (certificate?.isValid === true) return certificate
  throw refusal('connection requires a valid client certificate')
}

function proofOf(secret: UserSecret): Proof {
  return { credential: credentialOfSecret(secret) }
}

function refused(what: string, { address, user, database, isEncrypted }: HbaClient): RouterError {
  const encryption = isEncrypted ? 'SSL encryption' : 'no encryption'
  const host = address ?? '[local]'
  return refusal(
    `${what} for host "${host}", user "${user}", database "${database}", ${encryption}`,
  )
}

function refusal(message: string, hint?: string): RouterError {
  return new RouterError(SqlState.invalidAuthorizationSpecification, message, {
    severity: 'FATAL',
    ...(hint === undefined ? {} : { hint }),
  })
}
