import type { Random } from '../random.ts'

/**
 * What an expression is, as far as the generator must know. Equal values of a kind are printed alike, but for `float` after
 * arithmetic that is not exact: so DISTINCT, GROUP BY and min() leave nothing open. `ctext` has the collation "C". `loose` and
 * `signed` are for keys only: equal values look different, so they are shown by shownKey().
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
  | 'interval'
  | 'stamp'
  | 'clock'
  | 'bytes'
  | 'inet'
  | 'range'
  | 'char'
  | 'bits'
  | 'loose'
  | 'signed'

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
  interval: {
    types: ['interval'],
    parameterTypes: [['interval', 1186]],
    values: ['1 day', '-2 mons', '01:30:00', '1 year 3 days 00:00:05.5'],
    literal: typed('interval'),
  },
  stamp: {
    types: ['timestamp', 'timestamp(0)'],
    parameterTypes: [['timestamp', 1114]],
    values: ['2026-01-01 00:00:00', '2026-03-29 02:30:00', '1999-12-31 23:59:59'],
    literal: typed('timestamp'),
  },
  clock: {
    types: ['time', 'time(0)'],
    parameterTypes: [['time', 1083]],
    values: ['00:00:00', '12:30:00', '23:59:59'],
    literal: typed('time'),
  },
  bytes: {
    types: ['bytea'],
    parameterTypes: [['bytea', 17]],
    values: ['\\x', '\\x00ff', '\\x61', '\\x6162'],
    literal: typed('bytea'),
  },
  inet: {
    types: ['inet'],
    parameterTypes: [['inet', 869]],
    values: ['10.0.0.1', '10.0.0.0/8', '::1', '192.168.1.1'],
    literal: typed('inet'),
  },
  range: {
    types: ['int4range'],
    parameterTypes: [['int4range', 3904]],
    values: ['[1,5)', 'empty', '(,3)', '[7,)'],
    literal: typed('int4range'),
  },
  char: {
    types: ['char(3)'],
    parameterTypes: [['char(3)', 1042]],
    values: ['a', 'b', 'A', 'ab', ''],
    literal: typed('char(3)'),
  },
  bits: {
    types: ['bit(3)'],
    parameterTypes: [['bit(3)', 1560]],
    values: ['000', '101', '111'],
    literal: typed('bit(3)'),
  },
  loose: {
    types: ['numeric'],
    parameterTypes: [['numeric', 1700]],
    values: ['1', '1.0', '1.00', '2.50', '2.5', 'NaN', '100', '1e2', '-0.0', '0', 'Infinity'],
    literal: typed('numeric'),
  },
  signed: {
    types: ['double precision'],
    parameterTypes: [['float8', 701]],
    values: ['0', '-0', '1.5', 'NaN', '1e15', '1000000000000000', '-Infinity', '3'],
    literal: typed('float8'),
  },
}

/** A key as an output: equal ones look alike. */
export function shownKey(sql: string, kind: Kind): string {
  if (kind === 'loose') return `trim_scale(${sql})`
  return kind === 'signed' ? `(${sql} + 0)` : sql
}

const COMMON: readonly Kind[] = [
  ...(['int', 'int', 'int', 'int', 'text', 'text', 'text', 'num', 'num', 'bool'] as const),
  ...(['date', 'time', 'float', 'json', 'ints', 'texts', 'uuid', 'ctext', 'deep'] as const),
  ...(['interval', 'stamp', 'clock', 'bytes', 'inet', 'range', 'char', 'bits'] as const),
]

export function anyKind(random: Random): Kind {
  return random.pick(COMMON)
}
