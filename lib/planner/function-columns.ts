import { isSetReturning } from './builtin-functions.ts'
import { type RangeFunction, strings } from './tree.ts'

/** Functions of one column named as PL/pgSQL would: by their OUT parameter. */
const VALUE_FUNCTIONS: ReadonlySet<string> = new Set([
  'jsonb_array_elements',
  'jsonb_array_elements_text',
  'json_array_elements',
  'json_array_elements_text',
])
const KEY_VALUE_FUNCTIONS: ReadonlySet<string> = new Set([
  'jsonb_each',
  'jsonb_each_text',
  'json_each',
  'json_each_text',
])
const SCALAR_FUNCTIONS: ReadonlySet<string> = new Set([
  'generate_series',
  'generate_subscripts',
  'unnest',
  'regexp_matches',
  'regexp_split_to_table',
  'string_to_table',
  'jsonb_object_keys',
  'json_object_keys',
  'jsonb_path_query',
])

/** The columns of a function in FROM, where its name tells them. */
export function functionColumns(range: RangeFunction, alias: string | undefined) {
  if (range.coldeflist !== undefined || range.functions?.length !== 1) return undefined
  const call = range.functions[0]?.List?.items?.[0]?.FuncCall
  const name = strings(call?.funcname).at(-1) ?? ''
  if (call === undefined || !isSetReturning(name)) return undefined
  if (VALUE_FUNCTIONS.has(name)) return ['value']
  if (KEY_VALUE_FUNCTIONS.has(name)) return ['key', 'value']
  const isScalar = SCALAR_FUNCTIONS.has(name) && (name !== 'unnest' || call.args?.length === 1)
  return isScalar && alias !== undefined ? [alias] : undefined
}
