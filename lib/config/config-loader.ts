import { readFileSync } from 'node:fs'
import type { Config } from './config.ts'
import { checkMeaning, warnOfSecrets } from './config-checks.ts'
import { resolveConfig } from './config-resolution.ts'
import { type ConfigSource, dottedName, isObject } from './config-source.ts'
import { applyEnvironment, type Environment } from './environment.ts'
import { type Fault, faultsError } from './fault.ts'
import { isIni } from './ini-file.ts'
import { readPgbouncerIni } from './ini-source.ts'
import { checkAgainstSchema } from './schema-check.ts'
import { applyParameters, type SetParameters } from './set-parameter.ts'
import { UsageError } from './usage-error.ts'
import { readYaml } from './yaml-source.ts'

export type LoadedConfig = {
  readonly config: Config
  /** What was read and has no effect, or not the one that may be expected; each with its place. */
  readonly warnings: readonly string[]
}

/** Throws UsageError with all faults, each as `file:line: key: reason`. */
export function loadConfig(
  file: string,
  environment: Environment = process.env,
  parameters: SetParameters = new Map(),
): LoadedConfig {
  return parseConfig(readText(file), file, environment, parameters)
}

/** `text` is YAML or a pgbouncer.ini; `file` is its name in places, and where its paths start. */
export function parseConfig(
  text: string,
  file: string,
  environment: Environment = {},
  parameters: SetParameters = new Map(),
): LoadedConfig {
  const isPgbouncer = file.endsWith('.ini') || isIni(text)
  const source = isPgbouncer ? readPgbouncerIni(text, file) : readYaml(text, file)
  return configOf(applyParameters(applyEnvironment(source, environment), parameters))
}

/** A configuration made by ourselves: defaults are filled in. */
export function completeConfig(content: unknown): Config {
  if (!isObject(content)) throw new UsageError('the configuration must be a mapping')
  const where = () => ''
  const source = { content, directory: '.', warnings: [], faults: [], where, nameOf: dottedName }
  return configOf(source).config
}

function configOf(source: ConfigSource): LoadedConfig {
  const { config: written, faults } = checkAgainstSchema(source.content)
  if (written === undefined) throw faultsError(faults, source)
  const found: Fault[] = []
  const config = resolveConfig(written, source.directory, found)
  checkMeaning(config, found)
  if (found.length + source.faults.length > 0) throw faultsError(found, source)
  const warnings = [...source.warnings, ...warnOfSecrets(config)]
  if (config.databases.length === 0) {
    warnings.push(
      `${source.where(['databases'])}: there is no database: clients can only use the console`,
    )
  }
  return { config: deepFreeze(config), warnings }
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
