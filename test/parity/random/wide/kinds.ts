import type { Random } from '../random.ts'

/**
 * What an expression is, as far as the generator must know. Equal values of a kind are printed alike, but for `float` after
 * arithmetic that is not exact: so DISTINCT, GROUP BY and min() leave nothing open. `ctext` has the collation "C".
 */
export type Kind =
  | 'int'
  | 'num'
  | 'deep'
  | 'float'
  | 'text'
  | 'ctext'
  | 'bool'
  | 'date'
  | 'time'
  | 'json'
  | 'ints'
  | 'texts'
  | 'uuid'

type KindRule = {
  /** Types of columns of the kind. */
  readonly types: readonly string[]
  /** The type that parameters are declared as or cast to, its OID. */
  readonly parameterTypes: readonly (readonly [string, number])[]
  /** Values as text. Few: there must be ties. */
  readonly values: readonly string[]
  /** Written as a constant. */
  readonly literal: (value: string) => string
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

function typed(type: string): (value: string) => string {
  return (value) => `${quoted(value)}::${type}`
}

const UUIDS = ['0', '1', '5', 'a', 'f'].map(
  (digit) => `${digit.repeat(8)}-0000-4000-8000-${digit.repeat(12)}`,
)

export const KINDS: Readonly<Record<Kind, KindRule>> = {
  int: {
    types: ['int', 'int', 'bigint', 'smallint'],
    parameterTypes: [
      ['int', 23],
      ['bigint', 20],
    ],
    values: ['0', '1', '2', '3', '5', '5', '7', '-1', '12', '40'],
    literal: (value) => (value.startsWith('-') ? `(${value})` : value),
  },
  num: {
    types: ['numeric(8,2)', 'numeric(30,2)'],
    parameterTypes: [['numeric(8,2)', 1700]],
    values: ['0.00', '1.25', '2.50', '5.00', '-3.75', '10.10'],
    literal: (value) => (value.startsWith('-') ? `(${value})` : value),
  },
  deep: {
    types: ['numeric', 'numeric(60,20)'],
    parameterTypes: [['numeric(60,20)', 1700]],
    values: [
      '12345678901234567890.12345678901234567890',
      '0.00000000000000000001',
      '-99999999999999999999.50000000000000000000',
    ],
    literal: typed('numeric(60,20)'),
  },
  float: {
    types: ['double precision', 'double precision', 'real'],
    parameterTypes: [['float8', 701]],
    values: ['0', '0.5', '1.25', '-2', '1024', '3'],
    literal: typed('float8'),
  },
  text: {
    types: ['text', 'text', 'varchar(20)', 'varchar'],
    parameterTypes: [
      ['text', 25],
      ['varchar', 1043],
    ],
    values: ['a', 'b', 'A', 'B', 'ä', 'Zz', '', 'a b', "it's", 'abc', '10', '9'],
    literal: quoted,
  },
  ctext: {
    types: ['text COLLATE "C"', 'varchar(20) COLLATE "C"'],
    parameterTypes: [['text', 25]],
    values: ['a', 'b', 'A', 'B', 'ä', 'Zz', '', 'abc'],
    literal: quoted,
  },
  bool: {
    types: ['boolean'],
    parameterTypes: [['boolean', 16]],
    values: ['true', 'false'],
    literal: (value) => value,
  },
  date: {
    types: ['date'],
    parameterTypes: [['date', 1082]],
    values: ['2026-01-01', '2026-01-02', '2026-03-29', '2025-12-31', '2024-02-29'],
    literal: typed('date'),
  },
  time: {
    types: ['timestamptz', 'timestamptz', 'timestamptz(0)'],
    parameterTypes: [['timestamptz', 1184]],
    values: [
      '2026-01-01 00:00:00+00',
      '2026-01-01 23:30:00+00',
      '2026-03-29 01:30:00+01',
      '2026-03-29 03:30:00+02',
      '2025-10-26 02:30:00+02',
    ],
    literal: typed('timestamptz'),
  },
  json: {
    types: ['jsonb'],
    parameterTypes: [['jsonb', 3802]],
    values: ['{"a": 1}', '{"a": 2, "b": "x"}', '{"b": null}', '[1, 2]', '"s"', '{}', 'null'],
    literal: typed('jsonb'),
  },
  ints: {
    types: ['int[]'],
    parameterTypes: [['int[]', 1007]],
    values: ['{1,2}', '{}', '{5}', '{3,NULL,1}', '{2,1,2}'],
    literal: typed('int[]'),
  },
  texts: {
    types: ['text[]'],
    parameterTypes: [['text[]', 1009]],
    values: ['{a,b}', '{}', '{A}', '{b,NULL}', '{"a b",ä}'],
    literal: typed('text[]'),
  },
  uuid: {
    types: ['uuid'],
    parameterTypes: [['uuid', 2950]],
    values: UUIDS,
    literal: typed('uuid'),
  },
}

const COMMON: readonly Kind[] = [
  ...(['int', 'int', 'int', 'int', 'text', 'text', 'text', 'num', 'num', 'bool'] as const),
  ...(['date', 'time', 'float', 'json', 'ints', 'texts', 'uuid', 'ctext', 'deep'] as const),
]

export function anyKind(random: Random): Kind {
  return random.pick(COMMON)
}
