import { AuthFileError } from './auth-file-error.ts'
import { readRuleLines, type Word } from './rule-lines.ts'

/** One line of pg_ident.conf: whoever the certificate names `systemUser` may be `databaseUser`. */
export type IdentMapping = {
  readonly map: string
  readonly systemUser: string | RegExp
  /** \1 stands for what the first group of a regular expression has matched; `all` for everyone. */
  readonly databaseUser: string
  readonly isForAll: boolean
}

/** A name that is matched against a regular expression. */
const MAX_NAME_CHARACTERS = 1024

export function readIdentMap(text: string, file: string): readonly IdentMapping[] {
  const { lines, faults } = readRuleLines(text, file)
  const found = [...faults]
  const mappings: IdentMapping[] = []
  for (const { line, fields } of lines) {
    const mapping = fields.length === 3 ? readMapping(fields) : undefined
    if (mapping !== undefined) mappings.push(mapping)
    else found.push(`${file}:${line}: expected map name, system user name and database user name`)
  }
  if (found.length > 0) throw new AuthFileError(found)
  return mappings
}

/** Whether one of `names` may be `user` by the map; without a map only the same name may. */
export function isMapped(
  mappings: readonly IdentMapping[],
  map: string | undefined,
  names: readonly string[],
  user: string,
): boolean {
  if (map === undefined) return names.includes(user)
  const ofMap = mappings.filter((mapping) => mapping.map === map)
  return names.some((name) => ofMap.some((mapping) => allows(mapping, name, user)))
}

function allows(mapping: IdentMapping, name: string, user: string): boolean {
  const { systemUser, databaseUser, isForAll } = mapping
  if (typeof systemUser === 'string')
    return systemUser === name && (isForAll || databaseUser === user)
  const match = name.length > MAX_NAME_CHARACTERS ? null : systemUser.exec(name)
  if (match === null) return false
  return isForAll || databaseUser.replace('\\1', () => match[1] ?? '') === user
}

function readMapping(fields: readonly (readonly Word[])[]): IdentMapping | undefined {
  const [map, system, database] = fields.map((words) => (words.length === 1 ? words[0] : undefined))
  if (map === undefined || system === undefined || database === undefined) return undefined
  const systemUser = system.text.startsWith('/') ? readRegExp(system.text.slice(1)) : system.text
  if (systemUser === undefined) return undefined
  const isForAll = database.text === 'all' && !database.isQuoted
  return { map: map.text, systemUser, databaseUser: database.text, isForAll }
}

function readRegExp(source: string): RegExp | undefined {
  try {
    return new RegExp(source, 'u')
  } catch {
    return undefined
  }
}
