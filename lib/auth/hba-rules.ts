import { type AddressSet, includesAddress, isHostNamed } from './address-set.ts'
import type { Word } from './rule-lines.ts'

export type HbaMethod = 'trust' | 'reject' | 'password' | 'md5' | 'scram-sha-256' | 'cert'

/** One record of pg_hba.conf. */
export type HbaRule = {
  /** The file's name and the number of the line in it; undefined: made up from the configured method. */
  readonly place: string | undefined
  readonly transport: 'local' | 'host' | 'hostssl' | 'hostnossl'
  readonly databases: readonly Word[]
  readonly users: readonly Word[]
  readonly addresses: AddressSet
  readonly method: HbaMethod
  /** What stands in the file, where it needs what a proxy doesn't have: the method is `reject` then. */
  readonly foreignMethod?: string
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
    place: undefined,
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

/** Whether somebody must say what a user is a member of. */
export function dependsOnRoles({ databases, users }: HbaRule): boolean {
  const isByRole = ({ text, isQuoted }: Word) =>
    !isQuoted && (text === 'samerole' || text === 'samegroup')
  return users.some(({ isRole }) => isRole === true) || databases.some(isByRole)
}

/** What can't be seen of a client itself. Asked once for a client at most, and only when a rule depends on it. */
export interface HbaQuestions {
  /** The roles that the user is a member of, himself included. Rejects where they can't be known: nobody is let in then. */
  roles(): Promise<ReadonlySet<string>>
  /** The name of the client's address, if it leads back to that; as in Postgres, a resolver that fails knows none. */
  hostName(): Promise<string | undefined>
}

/** The first that matches; undefined: the client is to be refused. */
export async function matchingRule(
  rules: readonly HbaRule[],
  client: HbaClient,
  questions: HbaQuestions,
): Promise<HbaRule | undefined> {
  for (const rule of rules) {
    if (await matches(rule, client, questions)) return rule
  }
  return undefined
}

async function matches(
  rule: HbaRule,
  client: HbaClient,
  questions: HbaQuestions,
): Promise<boolean> {
  if (!comesThisWay(rule, client)) return false
  const { user, database, address } = client
  const databases = matchOf(rule.databases, (word) => matchesDatabase(word, database, user))
  const users = matchOf(rule.users, (word) => matchesUser(word, user))
  if (databases === 'no' || users === 'no') return false
  const isThere =
    address === undefined || (await includesClient(rule.addresses, address, questions))
  if (!isThere) return false
  const isDatabase = databases === 'yes' || (await questions.roles()).has(database)
  if (!isDatabase || users === 'yes') return isDatabase
  const roles = await questions.roles()
  return rule.users.some(({ text, isRole }) => isRole === true && roles.has(text))
}

function comesThisWay({ transport, place }: HbaRule, { address, isEncrypted }: HbaClient): boolean {
  // a method for everyone is for those who come by a Unix socket too
  if ((transport === 'local') !== (address === undefined) && place !== undefined) return false
  return isEncrypted ? transport !== 'hostnossl' : transport !== 'hostssl'
}

async function includesClient(
  addresses: AddressSet,
  address: string,
  questions: HbaQuestions,
): Promise<boolean> {
  if (addresses.kind !== 'name') return includesAddress(addresses, address)
  const name = await questions.hostName()
  return name !== undefined && isHostNamed(addresses.name, name)
}

/** `roles`: by the roles of the user, if at all. */
function matchOf(
  words: readonly Word[],
  match: (word: Word) => boolean | 'roles',
): 'yes' | 'no' | 'roles' {
  const found = words.map(match)
  if (found.includes(true)) return 'yes'
  return found.includes('roles') ? 'roles' : 'no'
}

function matchesUser({ text, isQuoted, pattern, isRole }: Word, user: string): boolean | 'roles' {
  if (isRole === true) return 'roles'
  if (pattern !== undefined) return pattern.test(user)
  return text === user || (text === 'all' && !isQuoted)
}

function matchesDatabase(
  { text, isQuoted, pattern }: Word,
  database: string,
  user: string,
): boolean | 'roles' {
  if (pattern !== undefined) return pattern.test(database)
  if (isQuoted) return text === database
  switch (text) {
    case 'all':
      return true
    case 'sameuser':
      return database === user
    case 'samerole':
    case 'samegroup':
      return 'roles'
    case 'replication':
      // for replication connections only, which are refused
      return false
    default:
      return text === database
  }
}
