import { readFileSync } from 'node:fs'
import { Ajv, type ErrorObject } from 'ajv'
import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml'
import type { LogLevel } from './base/log.ts'

/** What config/pgloom.schema.json describes; defaults, units and limits are there. */
export type Config = {
  readonly listen: {
    readonly host: string
    readonly port: number
    readonly max_clients: number
    readonly login_timeout_ms: number
    readonly max_message_bytes: number
  }
  readonly http: { readonly host: string; readonly port: number }
  readonly coordinator: { readonly host: string; readonly port: number }
  readonly databases: readonly string[]
  readonly auth: { readonly method: 'trust' | 'scram-sha-256' }
  readonly users: readonly ConfigUser[]
  readonly metadata_user: string
  readonly pool: {
    readonly max_connections: number
    readonly acquire_timeout_ms: number
    readonly connect_timeout_ms: number
    readonly idle_timeout_ms: number
    readonly max_lifetime_ms: number
  }
  readonly metadata_poll_interval_ms: number
  readonly recover_2pc_interval_ms: number
  readonly log: { readonly level: LogLevel }
}

export type ConfigUser = {
  readonly name: string
  readonly password?: string
  readonly scram_secret?: string
  readonly server_password?: string
}

/** The user can mend it: wrong arguments or a wrong configuration. Ends the process with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const SCHEMA_FILE = new URL('../../config/pgloom.schema.json', import.meta.url)

/** Throws UsageError that names the key, the file and the line of each fault. */
export function loadConfig(file: string): Config {
  return parseConfig(readText(file), file)
}

export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const faults = document.errors.map(({ pos, message }) => {
    return `${file}:${lines.linePos(pos[0]).line}: ${message}`
  })
  if (faults.length > 0) throw new UsageError(faults.join('\n'))
  const content: unknown = document.toJS() ?? {}
  return checked(content, (error) => {
    const { path, message } = describe(error)
    return `${file}:${lineOf(document, lines, path)}: ${message}`
  })
}

/** A configuration made by ourselves: defaults are filled in. */
export function completeConfig(content: unknown): Config {
  return checked(content, (error) => describe(error).message)
}

function checked(content: unknown, say: (error: ErrorObject) => string): Config {
  const schema: unknown = JSON.parse(readFileSync(SCHEMA_FILE, 'utf8'))
  const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: true, strictRequired: false })
  const isConfig = ajv.compile<Config>(schema as object)
  const copy: unknown = structuredClone(content)
  if (isConfig(copy)) return deepFreeze(copy)
  throw new UsageError((isConfig.errors ?? []).map(say).join('\n'))
}

type Fault = { readonly path: readonly string[]; readonly message: string }

/** The path is that of the node to show: of a missing key its parent's. */
function describe(error: ErrorObject): Fault {
  const path = error.instancePath.split('/').slice(1)
  const key = path.join('.') || 'the configuration'
  const params: Readonly<Record<string, unknown>> = error.params
  const { additionalProperty, missingProperty, allowedValues } = params
  switch (error.keyword) {
    case 'additionalProperties': {
      const unknownKey = [...path, String(additionalProperty)]
      return { path: unknownKey, message: `unknown key ${unknownKey.join('.')}` }
    }
    case 'required':
      return { path, message: `missing key ${[...path, String(missingProperty)].join('.')}` }
    case 'enum':
      return {
        path,
        message: `${key} must be one of ${String(allowedValues).replaceAll(',', ', ')}`,
      }
    case 'not':
      return { path, message: `${key} has both password and scram_secret: keep one` }
    default:
      return { path, message: `${key} ${error.message}` }
  }
}

/** Line of the key, or of the nearest thing around it that has one. */
function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true)
    const name = path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => String(key) === name)
      if (isNode(pair?.key)) return lines.linePos(pair.key.range?.[0] ?? 0).line
    }
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node)) return lines.linePos(node.range?.[0] ?? 0).line
  }
  return 1
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`cannot read the configuration file ${file}: ${reason}`, { cause })
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  }
  return Object.freeze(value)
}
