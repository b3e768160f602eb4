/** Keys, and indexes of lists, from the top down. */
export type KeyPath = readonly string[]

/** What a file says, in the shape of the schema, before anything is checked. */
export type ConfigSource = {
  readonly content: Readonly<Record<string, unknown>>
  /** Where relative paths start. */
  readonly directory: string
  /** What was read but has no effect here, each with its place. */
  readonly warnings: readonly string[]
  /** What could not be read and was left out, each with its place: the configuration is of no use. */
  readonly faults: readonly string[]
  /** The place of a key, or of the nearest thing around it that has one: `pgloom.yaml:3`. */
  where(path: KeyPath): string
  /** What the file calls a key. */
  nameOf(path: KeyPath): string
}

/** Of YAML: the keys themselves. */
export function dottedName(path: KeyPath): string {
  return path.join('.') || 'the configuration'
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
