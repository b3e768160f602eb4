import type { Parameter } from '../../support/raw-client.ts'
import type { Random } from './random.ts'

export type Sent = {
  readonly sql: string
  readonly parameters: readonly Parameter[] | undefined
  readonly types: readonly number[]
}

/** A literal that is compared with something. */
const COMPARED = /= (\d+|'[^'\\]*')(?= |\)|$)/
const NUMBERS = [
  '0',
  '1',
  '2',
  '5',
  '7',
  '8',
  '5.5',
  "'5'",
  '-1',
  '3000000000',
  'NULL',
  '0x5',
  '70000',
  "'x'",
  '5e0',
]
const TEXTS = [
  "'a'",
  "'b'",
  "'A'",
  "''",
  "E'\\x61'",
  '$$b$$',
  'NULL',
  "'it''s'",
  "U&'\\0061'",
  '5',
  "N'a'",
]
const VALUES = ['5', '5', '0', '1', ' 5', '5.0', '3000000000', null, 'x', '0x5']
/** Not declared, int2, int4, int8, numeric, float8, text, varchar, unknown, bpchar. */
const TYPES = [0, 0, 0, 21, 23, 20, 1700, 701, 25, 1043, 705, 1042]

/** The same shape with another literal: what was learned of the first text must not be used for this. */
export function otherLiteral(sql: string, random: Random): string {
  return sql.replace(COMPARED, (_, literal: string) =>
    literal.startsWith("'") ? `= ${random.pick(TEXTS)}` : `= ${random.pick(NUMBERS)}`,
  )
}

/** Another value in place of a literal, as a parameter of some declared type. */
export function withParameter(sql: string, random: Random): Sent {
  const literal = COMPARED.exec(sql)?.[1]
  if (literal === undefined) return { sql, parameters: [], types: [] }
  const isText = literal.startsWith("'")
  const value = isText ? random.pick(['a', 'b', 'A', 'a ', '', null]) : random.pick(VALUES)
  const ways = ['= $1', '= $1', '= $1::int', '= $1::text', '= $1::bigint']
  const text = sql.replace(COMPARED, () => random.pick(ways))
  return { sql: text, parameters: [value], types: random.chance(50) ? [] : [random.pick(TYPES)] }
}
