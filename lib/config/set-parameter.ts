import { isReadAtStart } from './config-changes.ts'
import type { ConfigSource, KeyPath } from './config-source.ts'
import { INI_KEYS } from './ini-keys.ts'
import { readIniValue } from './ini-value.ts'

/** What an administrator has SET, by PgBouncer's names: it holds until the configuration is read again. */
export type SetParameters = ReadonlyMap<string, string>

/** Whether it may be SET at all; whether the value will do shows when the configuration is made of it. */
export function maySet(name: string, text: string): boolean {
  const known = INI_KEYS.get(name)
  if (known === undefined || 'unsupported' in known || isReadAtStart(known.path)) return false
  return 'value' in readIniValue(text, known.kind)
}

/** Those that may not be set are left out. */
export function applyParameters(source: ConfigSource, parameters: SetParameters): ConfigSource {
  const content = structuredClone(source.content) as Record<string, unknown>
  for (const [name, text] of parameters) {
    const known = INI_KEYS.get(name)
    if (known === undefined || 'unsupported' in known) continue
    const read = readIniValue(text, known.kind)
    if ('value' in read) setAt(content, known.path.split('.'), read.value)
  }
  return { ...source, content }
}

function setAt(content: Record<string, unknown>, path: KeyPath, value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length > 0) {
    const inner = { ...(content[key] as Record<string, unknown> | undefined) }
    content[key] = inner
    setAt(inner, rest, value)
  } else if (value === undefined) delete content[key]
  else content[key] = value
}
