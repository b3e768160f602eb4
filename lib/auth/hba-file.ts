import { dirname } from 'node:path'
import { type AddressSet, readAddressSet } from './address-set.ts'
import { AuthFileError } from './auth-file-error.ts'
import type { HbaMethod, HbaRule } from './hba-rules.ts'
import { namePattern } from './name-pattern.ts'
import { expandNames, type PlacedLine, readRuleFiles } from './rule-files.ts'
import type { Word } from './rule-lines.ts'

const TRANSPORTS: Readonly<Record<string, HbaRule['transport']>> = {
  local: 'local',
  host: 'host',
  hostssl: 'hostssl',
  hostnossl: 'hostnossl',
  // nobody comes with GSSAPI encryption: it is always declined
  hostnogssenc: 'host',
}
const METHODS: readonly HbaMethod[] = [
  'trust',
  'reject',
  'password',
  'md5',
  'scram-sha-256',
  'cert',
]
/** Those of Postgres and PgBouncer that need what a proxy doesn't have. Their options aren't looked at. */
const FOREIGN_METHODS = ['peer', 'ident', 'gss', 'sspi', 'ldap', 'radius', 'pam', 'bsd', 'oauth']

const METHOD = 'authentication method'

const NO_OPTIONS: Options = { map: undefined, clientName: 'CN', clientCert: undefined }

type Options = Pick<HbaRule, 'map' | 'clientName' | 'clientCert'>

/** What is wrong with the line at hand. */
class Fault extends Error {}

/** Rules in the file's order. Throws AuthFileError with all faults: a file is taken whole or not at all. */
export function readHbaRules(text: string, file: string): readonly HbaRule[] {
  const { lines, faults } = readRuleFiles(text, file)
  const found = [...faults]
  const rules: HbaRule[] = []
  for (const line of lines) {
    try {
      rules.push(...readRule(line))
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      found.push(`${line.place}: ${error.message}`)
    }
  }
  if (found.length > 0) throw new AuthFileError(found)
  return rules
}

/** None for a line that no client of ours matches. */
function readRule({ place, fields }: PlacedLine): readonly HbaRule[] {
  const [type, databaseWords, userWords, ...rest] = fields
  const transport = readTransport(type)
  if (transport === undefined) return []
  if (databaseWords === undefined) throw new Fault('end of line before the database')
  if (userWords === undefined) throw new Fault('end of line before the user')
  const directory = dirname(place)
  const databases = readNames('database', databaseWords, directory)
  const users = readNames('user', userWords, directory)
  const { addresses, after } = readAddresses(transport, rest)
  const [methodField, ...optionFields] = after
  const common = { place, transport, databases, users, addresses }
  const foreignMethod = FOREIGN_METHODS.find((name) => name === single(methodField, METHOD))
  if (foreignMethod !== undefined) {
    return [{ ...common, method: 'reject', foreignMethod, ...NO_OPTIONS }]
  }
  const method = readMethod(methodField)
  if (method === 'cert' && transport !== 'hostssl') {
    throw new Fault('cert authentication is only supported on hostssl connections')
  }
  const options = readOptions(optionFields, transport, method)
  return [{ ...common, method, ...options }]
}

/** undefined: for connections with GSSAPI encryption, which is always declined. */
function readTransport(field: readonly Word[] | undefined): HbaRule['transport'] | undefined {
  const text = single(field, 'connection type')
  const transport = TRANSPORTS[text]
  if (transport !== undefined) return transport
  if (text === 'hostgssenc') return undefined
  throw new Fault(`invalid connection type "${text}"`)
}

/** Names, keywords and patterns; those in files are among them. */
function readNames(
  what: 'database' | 'user',
  words: readonly Word[],
  directory: string,
): readonly Word[] {
  try {
    return expandNames(words, directory).map((word) => readName(word, what))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw error instanceof Fault ? error : new Fault(`${what}: ${reason}`)
  }
}

function readName(word: Word, what: 'database' | 'user'): Word {
  const { text, isQuoted } = word
  if (text.startsWith('/')) return { ...word, pattern: namePattern(text) }
  if (isQuoted || !text.startsWith('+')) return word
  // as in Postgres, where a database of such a name is meant
  if (what === 'database') return word
  if (text.length === 1) throw new Fault('user "+" names no role')
  return { text: text.slice(1), isQuoted, isRole: true }
}

function readAddresses(
  transport: HbaRule['transport'],
  rest: readonly (readonly Word[])[],
): { addresses: AddressSet; after: readonly (readonly Word[])[] } {
  if (transport === 'local') return { addresses: { kind: 'all' }, after: rest }
  const [field, ...after] = rest
  const text = single(field, 'address')
  const isAlone = text.includes('/') || ['all', 'samehost', 'samenet'].includes(text)
  const isAddress = /^[0-9.]+$|:/.test(text)
  const hasMask = !isAlone && isAddress
  const addresses = readAddressSet(text, hasMask ? single(after[0], 'mask') : undefined)
  if (typeof addresses === 'string') throw new Fault(addresses)
  return { addresses, after: hasMask ? after.slice(1) : after }
}

function readMethod(field: readonly Word[] | undefined): HbaMethod {
  const text = single(field, METHOD)
  const method = METHODS.find((known) => known === text)
  if (method !== undefined) return method
  throw new Fault(`invalid authentication method "${text}"`)
}

function readOptions(
  fields: readonly (readonly Word[])[],
  transport: HbaRule['transport'],
  method: HbaMethod,
): Options {
  let map: string | undefined
  let clientName: Options['clientName'] = 'CN'
  let clientCert: Options['clientCert'] = method === 'cert' ? 'verify-full' : undefined
  for (const field of fields) {
    const text = single(field, 'authentication option')
    const [, name, value = ''] = /^([a-z_]+)=(.+)$/.exec(text) ?? []
    if (name === 'map' && method === 'cert') map = value
    else if (name === 'clientname' && (value === 'CN' || value === 'SAN')) clientName = value
    else if (name === 'clientcert' && transport === 'hostssl') {
      clientCert = readClientCert(value, method)
    } else throw new Fault(`authentication option "${text}" is not supported here`)
  }
  return { map, clientName, clientCert }
}

function readClientCert(value: string, method: HbaMethod): Options['clientCert'] {
  if (value === 'verify-full' || (value === 'verify-ca' && method !== 'cert')) return value
  throw new Fault(`clientcert=${value} is not valid${method === 'cert' ? ' with cert' : ''}`)
}

function single(field: readonly Word[] | undefined, what: string): string {
  const [word, ...more] = field ?? []
  if (word === undefined) throw new Fault(`end of line before the ${what}`)
  if (more.length > 0) throw new Fault(`more than one ${what}`)
  return word.text
}
