import type { Settings } from '../backend/session-state.ts'
import { LruMap } from '../base/lru-map.ts'
import { expandSearchPath } from '../catalog/catalog-lookup.ts'

const DEFAULT_SEARCH_PATH = '"$user", public'

/** Equal settings give the same array, so that plans can compare search paths by identity. */
const known = new LruMap<string, readonly string[]>(256)

/** `value`: the SQL text after SET search_path TO; undefined: never set. */
export function searchPathOf(value: string | undefined, user: string): readonly string[] {
  const key = `${user}\0${value ?? ''}`
  const found = known.get(key)
  if (found !== undefined) return found
  const path = expandSearchPath(literalsAsNames(value ?? DEFAULT_SEARCH_PATH), user)
  known.set(key, path)
  return path
}

/** The role that "$user" stands for: what SET ROLE or SET SESSION AUTHORIZATION have chosen. */
export function currentRole(settings: Settings, user: string): string {
  const role = literalValue(settings.get('role'))
  if (role !== undefined && role.toLowerCase() !== 'none') return role
  return literalValue(settings.get('session_authorization')) ?? user
}

function literalValue(sql: string | undefined): string | undefined {
  const match = /^\s*E?'((?:[^']|'')*)'\s*$/s.exec(sql ?? '')
  return match === null ? sql : match[1]?.replaceAll("''", "'")
}

/** The text of the setting as SQL text for SET: each schema as a name of its own. */
export function searchPathSql(setting: string): string {
  const names = expandSearchPath(setting, '$user')
  return names.length === 0 ? "''" : names.map((name) => quoteName(name)).join(', ')
}

/** After SET each literal is one name: 'a, b' is a schema with a comma. */
function literalsAsNames(sql: string): string {
  return sql.replace(/E?'((?:[^']|'')*)'/g, (_, body: string) => {
    return quoteName(body.replaceAll("''", "'"))
  })
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
