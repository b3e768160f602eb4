import type { Parameters } from './ports.ts'

const NO_PARAMETERS: Parameters = { types: [], formats: [], values: [] }

/**
 * The parameters of a statement made from the client's: its $1 is the client's parameter numbers[0], and so on;
 * `extra` follow as texts without a declared type.
 */
export function pickParameters(
  all: Parameters,
  numbers: readonly number[],
  extra: readonly string[] = [],
): Parameters {
  if (numbers.length === 0 && extra.length === 0) return NO_PARAMETERS
  const types: number[] = []
  const formats: number[] = []
  const values: (Buffer | undefined)[] = []
  for (const number of numbers) {
    types.push(all.types[number - 1] ?? 0)
    formats.push(formatOf(all.formats, number - 1))
    values.push(all.values[number - 1])
  }
  for (const text of extra) {
    types.push(0)
    formats.push(0)
    values.push(Buffer.from(text))
  }
  return { types, formats, values }
}

/** Formats as in Bind: none = all text, one = for all, else one each. */
export function formatOf(formats: readonly number[], index: number): number {
  return formats.length === 1 ? (formats[0] ?? 0) : (formats[index] ?? 0)
}
