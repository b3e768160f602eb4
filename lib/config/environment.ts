import { parse } from 'yaml'
import { type ConfigSource, isObject, type KeyPath } from './config-source.ts'
import { didYouMean } from './did-you-mean.ts'
import { readSchema, type SchemaNode } from './schema-check.ts'
import { UsageError } from './usage-error.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'PGLOOM_'

/** What Kubernetes puts into the environment for a service whose name begins like ours. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT)(_.*)?$|_PORT_\d+_(TCP|UDP)(_.*)?$/

type Variable = { readonly path: KeyPath; readonly node: SchemaNode }

/** The variable of each key: PGLOOM_ and its path in capitals, joined by _. Lists are one variable each. */
export function environmentVariables(): ReadonlyMap<string, Variable> {
  return new Map(variablesOf(readSchema(), []))
}

function variablesOf(node: SchemaNode, path: KeyPath): [string, Variable][] {
  return Object.entries(node.properties ?? {}).flatMap(([key, inner]) => {
    const own = [...path, key]
    if (inner.type === 'object') return variablesOf(inner, own)
    const name = PREFIX + own.join('_').toUpperCase()
    return [[name, { path: own, node: inner }] as [string, Variable]]
  })
}

/** Throws UsageError for variables that look like ours but name no key. */
export function applyEnvironment(source: ConfigSource, environment: Environment): ConfigSource {
  const variables = environmentVariables()
  const names = Object.keys(environment).filter((name) => name.startsWith(PREFIX))
  const strangers = names
    .filter((name) => !variables.has(name))
    .flatMap((name) => {
      return complaint(name, variables)
    })
  if (strangers.length > 0) throw new UsageError(strangers.join('\n'))
  const content = structuredClone(source.content) as Record<string, unknown>
  const namesByPath = new Map<string, string>()
  for (const name of names) {
    const variable = variables.get(name)
    if (variable === undefined) continue
    setAt(content, variable.path, valueOfVariable(name, environment[name] ?? '', variable.node))
    namesByPath.set(variable.path.join('.'), name)
  }
  const variableOf = (path: KeyPath) => {
    return namesByPath.get(path.join('.')) ?? namesByPath.get(path[0] ?? '')
  }
  return {
    ...source,
    content,
    where: (path) => (variableOf(path) === undefined ? source.where(path) : 'the environment'),
    nameOf: (path) => variableOf(path) ?? source.nameOf(path),
  }
}

/** Others may have variables that begin like ours. */
function complaint(name: string, variables: ReadonlyMap<string, Variable>): string[] {
  if (SERVICE_LINK.test(name)) return []
  const guess = didYouMean(name, variables.keys())
  const sections = [...variables.values()].flatMap(({ path }) => path.slice(0, -1))
  const isOurs = sections.some((section) => name.startsWith(`${PREFIX}${section.toUpperCase()}_`))
  return guess !== '' || isOurs ? [`the environment: ${name}: no key has this name${guess}`] : []
}

function valueOfVariable(name: string, text: string, { type, enum: words }: SchemaNode): unknown {
  const types = [type ?? []].flat()
  const isText = words !== undefined || (types.length === 1 && types[0] === 'string')
  const isMaybeText = types.includes('string') && !/^(\[|\{|\d+$)/.test(text.trim())
  if (isText || isMaybeText) return text
  if (types.includes('array') && !/^\s*\[/.test(text))
    return text === '' ? [] : text.split(/\s*,\s*/)
  try {
    return parse(text) as unknown
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`the environment: ${name}: ${reason}`, { cause })
  }
}

function setAt(content: Record<string, unknown>, path: KeyPath, value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    content[key] = value
    return
  }
  const inner = content[key]
  const made: Record<string, unknown> = isObject(inner) ? inner : {}
  content[key] = made
  setAt(made, rest, value)
}
