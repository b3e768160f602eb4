import { type AddressSet, readAddressSet } from './address-set.ts'
import { AuthFileError } from './auth-file-error.ts'
import type { HbaMethod, HbaRule } from './hba-rules.ts'
import { type RuleLine, readRuleLines, type Word } from './rule-lines.ts'

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
/** Those of Postgres that need what a proxy doesn't have. */
const FOREIGN_METHODS = ['peer', 'ident', 'gss', 'sspi', 'ldap', 'radius', 'pam', 'bsd', 'oauth']

type Options = Pick<HbaRule, 'map' | 'clientName' | 'clientCert'>

/** What is wrong with the line at hand. */
class Fault extends Error {}

/** Rules in the file's order. Throws AuthFileError with all faults: a file is taken whole or not at all. */
export function readHbaRules(text: string, file: string): readonly HbaRule[] {
  const { lines, faults } = readRuleLines(text, file)
  const found = [...faults]
  const rules: HbaRule[] = []
  for (const line of lines) {
    try {
      rules.push(readRule(line))
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      found.push(`${file}:${line.line}: ${error.message}`)
    }
  }
  if (found.length > 0) throw new AuthFileError(found)
  return rules
}

function readRule({ line, fields }: RuleLine): HbaRule {
  const [type, databases, users, ...rest] = fields
  const transport = readTransport(type)
  if (databases === undefined) throw new Fault('end of line before the database')
  if (users === undefined) throw new Fault('end of line before the user')
  checkNames('database', databases, ['samerole', 'samegroup'])
  checkNames('user', users, [])
  const { addresses, after } = readAddresses(transport, rest)
  const [methodField, ...optionFields] = after
  const method = readMethod(methodField)
  if (method === 'cert' && transport !== 'hostssl') {
    throw new Fault('cert authentication is only supported on hostssl connections')
  }
  const options = readOptions(optionFields, transport, method)
  return { line, transport, databases, users, addresses, method, ...options }
}

function readTransport(field: readonly Word[] | undefined): HbaRule['transport'] {
  const text = single(field, 'connection type')
  const transport = TRANSPORTS[text]
  if (transport !== undefined) return transport
  if (text === 'hostgssenc') throw new Fault('GSSAPI encryption is not supported')
  if (text.startsWith('include'))
    throw new Fault(`${text} is not supported: one file holds all rules`)
  throw new Fault(`invalid connection type "${text}"`)
}

function checkNames(what: string, words: readonly Word[], keywords: readonly string[]): void {
  for (const { text, isQuoted } of words) {
    if (isQuoted) continue
    if (keywords.includes(text) || text.startsWith('+')) {
      throw new Fault(
        `${what} "${text}" is not supported: the proxy doesn't know who is member of what`,
      )
    }
    if (text.startsWith('@')) throw new Fault(`${what} "${text}": lists in files are not supported`)
    if (text.startsWith('/')) {
      throw new Fault(`${what} "${text}": regular expressions are not supported`)
    }
  }
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
  const text = single(field, 'authentication method')
  const method = METHODS.find((known) => known === text)
  if (method !== undefined) return method
  throw new Fault(
    FOREIGN_METHODS.includes(text)
      ? `authentication method "${text}" is not supported: use ${METHODS.join(', ')}`
      : `invalid authentication method "${text}"`,
  )
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
