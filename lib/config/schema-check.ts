import { readFileSync } from 'node:fs'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { Config, ConfigAuth, ConfigDatabase, ConfigListen, ConfigUser } from './config.ts'
import type { KeyPath } from './config-source.ts'
import { didYouMean } from './did-you-mean.ts'
import type { Fault } from './fault.ts'

const SCHEMA_FILE = new URL('../../../config/pgloom.schema.json', import.meta.url)

/** As the schema has it: valid and filled with defaults, but each thing still in the form in which it was written. */
export type WrittenConfig = Omit<Config, 'listen' | 'databases' | 'users' | 'auth'> & {
  readonly listen: Omit<ConfigListen, 'hosts'> & { readonly host: string | readonly string[] }
  readonly coordinator?: { readonly host: string; readonly port: number }
  readonly databases: readonly (string | WrittenDatabase)[]
  readonly users: readonly ConfigUser[]
  readonly auth: ConfigAuth
}

export type WrittenDatabase = Partial<Omit<ConfigDatabase, 'name' | 'hosts'>> & {
  readonly name: string
  readonly host?: string | readonly string[]
  readonly client_encoding?: string
}

export type SchemaNode = {
  readonly type?: string | readonly string[]
  readonly enum?: readonly string[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly default?: unknown
}

let schema: SchemaNode | undefined
let validator: ValidateFunction<WrittenConfig> | undefined

export function readSchema(): SchemaNode {
  schema ??= JSON.parse(readFileSync(SCHEMA_FILE, 'utf8')) as SchemaNode
  return schema
}

export type Checked =
  | { readonly config: WrittenConfig; readonly faults: readonly [] }
  | { readonly config: undefined; readonly faults: readonly Fault[] }

export function checkAgainstSchema(content: unknown): Checked {
  validator ??= compileSchema()
  const config: unknown = structuredClone(content)
  if (validator(config)) return { config, faults: [] }
  return { config: undefined, faults: (validator.errors ?? []).map(describe) }
}

function compileSchema(): ValidateFunction<WrittenConfig> {
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: true,
    verbose: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
  })
  return ajv.compile<WrittenConfig>(readSchema() as object)
}

function describe(error: ErrorObject): Fault {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  const params: Readonly<Record<string, unknown>> = error.params
  const { additionalProperty, missingProperty, allowedValues, limit, type } = params
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = String(additionalProperty)
      const known = Object.keys((error.parentSchema as SchemaNode).properties ?? {})
      return { path: [...path, name], reason: `unknown key${didYouMean(name, known)}` }
    }
    case 'required':
      return { path: [...path, String(missingProperty)], reason: 'is missing' }
    case 'enum': {
      const allowed = (allowedValues as readonly string[]).join(', ')
      const guess = didYouMean(String(error.data), allowedValues as readonly string[])
      return { path, reason: `must be one of ${allowed}${guess}` }
    }
    case 'type':
      return {
        path,
        reason: `must be ${[type].flat().join(' or ')}, not ${kindOf(path, error.data)}`,
      }
    case 'minimum':
      return { path, reason: `must be at least ${limit}` }
    case 'maximum':
      return { path, reason: `must be at most ${limit}` }
    default:
      return { path, reason: error.message ?? error.keyword }
  }
}

/** Never shows what may be secret. */
function kindOf(path: KeyPath, value: unknown): string {
  if (/password|secret/.test(path.at(-1) ?? '')) return `a ${typeof value}`
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? `text "${value}"` : String(value)
}
