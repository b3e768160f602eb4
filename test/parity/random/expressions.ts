import type { Random } from './random.ts'
import { type Kind, type Reference, references, type Scope, visibleScope } from './scope.ts'

/** Makes a subquery whose first column is of a kind; `isScalar`: one row at most. */
export type Subqueries = {
  readonly one: (scope: Scope, kind: Kind, isScalar: boolean) => string
  readonly any: (scope: Scope) => string
}

const CONSTANTS: Readonly<Record<Kind, readonly string[]>> = {
  int: ['0', '1', '2', '3', '5', '5', '5', '7', '-1', 'NULL', '12', '3000000000'],
  text: ["'a'", "'b'", "'A'", "''", "'it''s'", "'ä'", "'5'", 'NULL'],
  // equal numerics of different scales would be ties that can be told apart
  num: ['1.25', '0.00', '2.50', '5.00', 'NULL', '0.50'],
  bool: ['true', 'false', 'NULL'],
  date: ["DATE '2026-01-02'", "DATE '2026-01-03'", 'NULL::date'],
}

/** Ways to write the key 5, and things that only look like it. */
const INT_PINS = [
  ...['5', '5', '5', '5', "'5'", '5::bigint', '5::smallint', "'5'::int", '5.0', '5.5', "int8 '5'"],
  ...['NULL', '3000000000', '-1', '(5)', '+5', '3 + 2', '5e0', "' 5 '", '(SELECT 5)', '5::numeric'],
  ...[
    '0x5',
    '1_0',
    'CAST(5 AS int)',
    'abs(-5)',
    'length($$abcde$$)',
    '7',
    '0',
    '1',
    '5::text::int',
  ],
]
const TEXT_PINS = [
  ...[
    "'a'",
    "'a'",
    "'b'",
    '$$a$$',
    '$q$b$q$',
    "E'\\x61'",
    "E'it\\'s'",
    "U&'\\0061'",
    "U&'!0061' UESCAPE '!'",
  ],
  ...[
    "'a'::text",
    "'a'::varchar",
    "'a'::varchar(1)",
    "'ab'::varchar(1)",
    "'a '::char(2)",
    "'a '",
    'NULL',
  ],
  ...[
    "'a' || ''",
    "lower('A')",
    "'ä'",
    "E'\\u00e4'",
    "''",
    "text 'b'",
    "E'b\\\\s'",
    "'b\\s'",
    '\'a\' COLLATE "C"',
  ],
  ...["'a'\n''", "E'b' /* c */", "N'b'", "'5'"],
]

export class Expressions {
  readonly #random: Random
  readonly #subqueries: Subqueries

  constructor(random: Random, subqueries: Subqueries) {
    this.#random = random
    this.#subqueries = subqueries
  }

  constant(kind: Kind): string {
    return this.#random.pick(CONSTANTS[kind])
  }

  /** coalesce(x, NULL) folds to x: then a portal is described otherwise than its statement. */
  #notNull(kind: Kind): string {
    return this.#random.pick(CONSTANTS[kind].filter((text) => !text.startsWith('NULL')))
  }

  keyConstant(kind: Kind): string {
    if (kind === 'int') return this.#random.pick(INT_PINS)
    return kind === 'text' ? this.#random.pick(TEXT_PINS) : this.constant(kind)
  }

  #columns(scope: Scope, kind: Kind, inner: boolean): readonly Reference[] {
    const found = references(visibleScope(scope), this.#random).filter(
      (item) => item.kind === kind && (!inner || item.level === 0),
    )
    return found
  }

  /** A column of the kind, mostly of the innermost level; a constant where there is none. */
  column(scope: Scope, kind: Kind): string {
    const found = this.#columns(scope, kind, this.#random.chance(75))
    return found.length === 0 ? this.constant(kind) : this.#random.pick(found).sql
  }

  keys(scope: Scope, level: number): readonly Reference[] {
    return references(visibleScope(scope), this.#random).filter(
      (item) => item.isKey && item.level === level,
    )
  }

  kind(): Kind {
    return this.#random.pick(['int', 'int', 'int', 'text', 'text', 'num', 'bool', 'date'])
  }

  value(scope: Scope, kind: Kind, depth: number): string {
    const random = this.#random
    if (depth <= 0 || random.chance(55)) return this.column(scope, kind)
    const inner = (other: Kind = kind) => this.value(scope, other, depth - 1)
    const shared = [
      () => `coalesce(${inner()}, ${this.#notNull(kind)})`,
      () => `CASE WHEN ${this.condition(scope, depth - 1)} THEN ${inner()} ELSE ${inner()} END`,
      () => `nullif(${inner()}, ${inner()})`,
      () => `(${this.#subqueries.one(scope, kind, true)})`,
    ]
    const own: Readonly<Record<Kind, readonly (() => string)[]>> = {
      int: [
        () => `${inner()} + ${random.pick(['1', inner()])}`,
        () => `length(${inner('text')})`,
        () => `greatest(${inner()}, ${inner()})`,
        () => `- ${this.column(scope, 'int')}`,
      ],
      text: [
        () => `upper(${inner()})`,
        () => `${this.column(scope, 'text')} || ${random.pick(["'x'", this.column(scope, 'int')])}`,
        () => `${this.column(scope, 'int')}::text`,
      ],
      num: [() => `round(${this.column(scope, 'num')}::numeric, 2)`],
      bool: [() => this.condition(scope, depth - 1)],
      date: [() => `${this.column(scope, 'date')} + 1`],
    }
    return random.make([...shared, ...own[kind], ...own[kind]])
  }

  condition(scope: Scope, depth: number): string {
    const random = this.#random
    const kind = this.kind()
    const left = this.value(scope, kind, depth - 1)
    const simple = [
      () => `${left} ${random.pick(['=', '<', '>=', '<>'])} ${this.#operand(scope, kind, depth)}`,
      () => `${left} IS ${random.pick(['', 'NOT '])}NULL`,
      () => `${left} IS ${random.pick(['', 'NOT '])}DISTINCT FROM ${this.constant(kind)}`,
      () =>
        `${left} ${random.pick(['', 'NOT '])}IN (${this.constant(kind)}, ${this.constant(kind)})`,
      () => `${this.column(scope, 'text')} LIKE '%a%'`,
      () => `${this.column(scope, 'int')} BETWEEN 1 AND 6`,
      () => this.pin(scope),
    ]
    if (depth <= 0) return random.make(simple)
    const inner = () => this.condition(scope, depth - 1)
    return random.make([
      ...simple,
      () => `(${inner()} OR ${inner()})`,
      () => `(${inner()} AND ${inner()})`,
      () => `NOT (${inner()})`,
      () => `${random.pick(['', 'NOT '])}EXISTS (${this.#subqueries.any(scope)})`,
      () => this.#membership(scope),
      () => this.#membership(scope),
      () =>
        `(${this.column(scope, 'int')}, ${this.column(scope, 'text')}) ${random.pick(['=', '<', 'IS DISTINCT FROM'])} (${this.constant('int')}, ${this.constant('text')})`,
    ])
  }

  #operand(scope: Scope, kind: Kind, depth: number): string {
    return this.#random.chance(50) ? this.constant(kind) : this.value(scope, kind, depth - 1)
  }

  /** `key IN (SELECT key …)` and its kin. */
  #membership(scope: Scope): string {
    const random = this.#random
    const keys = this.keys(scope, 0)
    const key = keys.length > 0 && random.chance(75) ? random.pick(keys) : undefined
    const kind = key?.kind ?? random.pick<Kind>(['int', 'text'])
    const left = key?.sql ?? this.column(scope, kind)
    const operator = random.pick(['IN', 'NOT IN', 'IN', '= ANY', '<> ALL', '= ALL', '< ANY'])
    const test = `${left} ${operator} (${this.#subqueries.one(scope, kind, false)})`
    return random.chance(20) ? `(${test}) IS ${random.pick(['TRUE', 'NOT TRUE', 'UNKNOWN'])}` : test
  }

  /** What pins a key, or looks as if it did. */
  pin(scope: Scope): string {
    const random = this.#random
    const keys = this.keys(scope, 0)
    if (keys.length === 0) return `${this.column(scope, 'int')} = 5`
    const key = random.pick(keys)
    const equal = `${key.sql} = ${this.keyConstant(key.kind)}`
    const plain = () => this.keyConstant(key.kind)
    return random.make([
      ...[() => equal, () => equal, () => equal],
      () => `${plain()} = ${key.sql}`,
      () => `${key.sql} IN (${plain()})`,
      () => `${key.sql} IN (${plain()}, ${plain()})`,
      () => `${key.sql} = ANY (ARRAY[${plain()}, ${this.constant(key.kind)}])`,
      () => `(${equal} OR ${this.column(scope, 'int')} = 2)`,
      () => `(${equal} OR ${key.sql} = ${plain()})`,
      () => `(${equal} AND ${key.sql} = ${plain()})`,
      () => `NOT (${equal})`,
      () => `NOT (NOT (${equal}))`,
      () => `CASE WHEN ${this.column(scope, 'bool')} THEN ${equal} ELSE true END`,
      () => `(${equal}) IS NOT FALSE`,
      () => `(${equal}) IS TRUE`,
      () => `coalesce(${equal}, true)`,
      () => `(${key.sql}, ${this.column(scope, 'int')}) = (${plain()}, 2)`,
      () => `(${key.sql}, 1) IN ((${plain()}, 1), (${plain()}, 2))`,
      () => `${key.sql} IS NOT DISTINCT FROM ${plain()}`,
    ])
  }
}
