import { type AddressSet, includesAddress } from './address-set.ts'
import type { Word } from './rule-lines.ts'

export type HbaMethod = 'trust' | 'reject' | 'password' | 'md5' | 'scram-sha-256' | 'cert'

/** One record of pg_hba.conf. */
export type HbaRule = {
  /** Of the file; 0: made up from the configured method. */
  readonly line: number
  readonly transport: 'local' | 'host' | 'hostssl' | 'hostnossl'
  readonly databases: readonly Word[]
  readonly users: readonly Word[]
  readonly addresses: AddressSet
  readonly method: HbaMethod
  /** Name of a map of pg_ident.conf, for cert. */
  readonly map: string | undefined
  /** Which names of the client's certificate may be the user's. */
  readonly clientName: 'CN' | 'SAN'
  /** verify-ca: there must be a valid certificate; verify-full: of the user. */
  readonly clientCert: 'verify-ca' | 'verify-full' | undefined
}

/** What a rule is chosen by: known before the client has proved anything. */
export type HbaClient = {
  readonly user: string
  readonly database: string
  /** undefined: over a Unix socket. */
  readonly address: string | undefined
  readonly isEncrypted: boolean
}

const ALL: readonly Word[] = [{ text: 'all', isQuoted: false }]

/** The rule that says what one method for everyone says. */
export function ruleForAll(method: HbaMethod): HbaRule {
  return {
    line: 0,
    transport: 'host',
    databases: ALL,
    users: ALL,
    addresses: { kind: 'all' },
    method,
    map: undefined,
    clientName: 'CN',
    clientCert: method === 'cert' ? 'verify-full' : undefined,
  }
}

/** The first that matches; undefined: the client is to be refused. */
export function matchingRule(rules: readonly HbaRule[], client: HbaClient): HbaRule | undefined {
  return rules.find((rule) => matches(rule, client))
}

function matches(rule: HbaRule, { user, database, address, isEncrypted }: HbaClient): boolean {
  if ((rule.transport === 'local') !== (address === undefined)) {
    // a method for everyone is for those who come by a Unix socket too
    if (rule.line !== 0) return false
  }
  if (rule.transport === 'hostssl' && !isEncrypted) return false
  if (rule.transport === 'hostnossl' && isEncrypted) return false
  if (address !== undefined && !includesAddress(rule.addresses, address)) return false
  return (
    rule.databases.some((word) => matchesDatabase(word, database, user)) &&
    rule.users.some((word) => matchesUser(word, user))
  )
}

function matchesUser({ text, isQuoted, pattern }: Word, user: string): boolean {
  if (pattern !== undefined) return pattern.test(user)
  return text === user || (text === 'all' && !isQuoted)
}

function matchesDatabase(
  { text, isQuoted, pattern }: Word,
  database: string,
  user: string,
): boolean {
  if (pattern !== undefined) return pattern.test(database)
  if (isQuoted) return text === database
  switch (text) {
    case 'all':
      return true
    case 'sameuser':
      return database === user
    case 'replication':
      // for replication connections only, which are refused
      return false
    default:
      return text === database
  }
}
