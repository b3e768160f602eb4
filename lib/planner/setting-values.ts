import { expandSearchPath } from '../catalog/catalog-lookup.ts'

/** Lists of names: after SET each literal is one of them, in set_config() and SHOW all are one text (GUC_LIST_QUOTE). */
const LISTS: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'temp_tablespaces',
])

export function isListSetting(name: string): boolean {
  return LISTS.has(name.toLowerCase())
}

/** The value as SHOW gives it and set_config() takes it, as SQL text for SET. */
export function settingSql(name: string, value: string): string {
  if (!isListSetting(name)) return quoteLiteral(value)
  const names = expandSearchPath(value, '$user')
  return names.length === 0 ? "''" : names.map((one) => `"${one.replaceAll('"', '""')}"`).join(', ')
}

export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
