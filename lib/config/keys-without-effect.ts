import type { ConfigSource, KeyPath } from './config-source.ts'
import { isObject } from './config-source.ts'
import { readSchema, type SchemaNode } from './schema-check.ts'

/** In the schema, so that files of others are understood, but read by nobody yet. Whoever reads one takes it out. */
const WITHOUT_EFFECT = [
  'application_name_add_host',
  'ignore_startup_parameters',
  'listen.login_notify_message',
  'log.connections',
  'log.disconnections',
  'log.pooler_errors',
  'pool.autodb_idle_timeout_ms',
  'pool.cancel_wait_timeout_ms',
  'pool.max_db_client_connections',
  'pool.max_prepared_statements',
  'pool.max_user_client_connections',
  'pool.pipeline',
  'pool.query_wait_notify_ms',
  'pool.server_fast_close',
  'databases.*.max_db_client_connections',
  'databases.*.pipeline',
  'users.*.max_user_client_connections',
] as const

/** A warning for each key that says something else than its default, and changes nothing. */
export function warnOfKeysWithoutEffect(source: ConfigSource): readonly string[] {
  const schema = readSchema()
  return WITHOUT_EFFECT.flatMap((pattern) => {
    const path = pattern.split('.')
    const value = JSON.stringify(defaultAt(schema, path))
    return matches(source.content, path)
      .filter((match) => JSON.stringify(match.value) !== value)
      .map((match) => `${source.where(match.path)}: ${source.nameOf(match.path)} has no effect yet`)
  })
}

type Match = { readonly path: KeyPath; readonly value: unknown }

/** `*` is each item of a list. */
function matches(value: unknown, [key, ...rest]: KeyPath, path: KeyPath = []): readonly Match[] {
  if (value === undefined) return []
  if (key === undefined) return [{ path, value }]
  if (key === '*' && Array.isArray(value)) {
    return value.flatMap((item, index) => matches(item, rest, [...path, String(index)]))
  }
  return isObject(value) ? matches(value[key], rest, [...path, key]) : []
}

function defaultAt(schema: SchemaNode, path: KeyPath): unknown {
  const [key, ...rest] = path
  if (key === undefined) return schema.default
  const inner = key === '*' ? schema.items : schema.properties?.[key]
  return inner === undefined ? undefined : defaultAt(inner, rest)
}
