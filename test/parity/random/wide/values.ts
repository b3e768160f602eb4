import type { Kind } from './kinds.ts'
import type { Maker } from './maker.ts'
import { references, type Scope } from './scope.ts'
import { jsonExpressions } from './sql-json.ts'

type Makers = readonly (() => string)[]

/** Expressions by kind. None may fail at run time: which rows are looked at is not defined. */
export class Values {
  readonly #maker: Maker

  constructor(maker: Maker) {
    this.#maker = maker
  }

  /** A column of the kind, mostly of the innermost query; a constant where there is none. */
  column(scope: Scope, kind: Kind): string {
    const { random, literals } = this.#maker
    const all = references(scope, random).filter((item) => item.kind === kind)
    const own = all.filter(({ level }) => level === 0)
    const found = own.length > 0 && random.chance(80) ? own : all
    return found.length === 0 ? literals.constant(kind) : random.pick(found).sql
  }

  value(scope: Scope, kind: Kind, depth: number): string {
    const { random, literals } = this.#maker
    if (random.chance(8)) return literals.constant(kind)
    if (depth <= 0 || random.chance(45)) return this.column(scope, kind)
    const inner = (other: Kind = kind) => this.value(scope, other, depth - 1)
    const own = this.#own(scope, kind, inner)
    const shared: Makers = [
      () => `coalesce(${inner()}, ${inner()})`,
      () =>
        `CASE WHEN ${this.#maker.condition(scope, depth - 1)} THEN ${inner()} ELSE ${inner()} END`,
      () => `CASE WHEN ${this.#maker.condition(scope, depth - 1)} THEN ${inner()} END`,
      () =>
        `CASE ${inner('int')} WHEN 1 THEN ${inner()} WHEN 5 THEN ${inner()} ELSE ${inner()} END`,
      () => `nullif(${inner()}, ${inner()})`,
      () => `(${this.#maker.scalar(scope, kind)})`,
    ]
    return random.chance(45) || own.length === 0 ? random.make(shared) : random.make(own)
  }

  #own(scope: Scope, kind: Kind, inner: (kind?: Kind) => string): Makers {
    switch (kind) {
      case 'int':
        return this.#ints(scope, inner)
      case 'text':
        return this.#texts(scope, inner)
      case 'bool':
        return [() => `(${this.#maker.condition(scope, 1)})`]
      case 'num':
      case 'deep':
      case 'float':
        return this.#numbers(kind, inner)
      case 'date':
      case 'time':
        return this.#times(kind, inner)
      case 'json':
        return [
          ...jsons(inner),
          ...jsonExpressions(inner, () => this.#maker.list(scope, 'int')),
          ...this.#rows(scope),
        ]
      case 'ints':
      case 'texts':
        return this.#arrays(scope, kind, inner)
      case 'uuid':
        return [() => `md5(${inner('text')})::uuid`]
      case 'ctext':
        return [() => `${inner('text')} COLLATE "C"`]
      case 'interval':
        return [() => `(${inner('date')} - ${inner('stamp')})`, () => `(${inner()} + ${inner()})`]
      case 'stamp':
        return [
          () => `(${inner('time')} AT TIME ZONE 'UTC')`,
          () => `(${inner()} + ${inner('interval')})`,
        ]
      case 'clock':
        return [() => `(${inner('stamp')})::time`]
      case 'bytes':
        return [() => `convert_to(${inner('text')}, 'UTF8')`, () => `(${inner()} || ${inner()})`]
      case 'inet':
        return [() => `set_masklen(${inner()}, 8)`]
      case 'range':
        return [
          () => `int4range(1, greatest(1, (${inner('int')})::int))`,
          () => `(${inner()} * ${inner()})`,
        ]
      case 'char':
        return [() => `(${inner('text')})::char(3)`]
      case 'loose':
      case 'signed':
        return []
      case 'bits':
        return [() => `(${inner()} & ${inner()})`, () => `(~ ${inner()})`]
    }
  }

  #ints(scope: Scope, inner: (kind?: Kind) => string): Makers {
    const { random } = this.#maker
    return [
      () => `(${inner()} + ${random.pick(['1', inner()])})`,
      () => `(${inner()} - ${inner()})`,
      () => `(${inner()} * 3)`,
      () => `(${inner()} % 7)`,
      () => `(${inner()} / 2)`,
      () => `(- ${inner()})`,
      () => `abs(${inner()})`,
      () => `length(${inner('text')})`,
      () => `greatest(${inner()}, ${inner()})`,
      () => `least(${inner()}, ${inner()}, 5)`,
      () => `extract(${random.pick(['day', 'month', 'dow'])} FROM ${inner('date')})::int`,
      () => `extract(hour FROM ${inner('time')})::int`,
      () => `(${inner('date')} - ${inner('date')})`,
      () => `cardinality(${inner(random.pick(['ints', 'texts'] as const))})`,
      () => `(${inner('ints')})[${random.pick(['1', '2', '-1', '5'])}]`,
      () => `(${inner('json')} ->> 'a')::int`,
      () => `(${inner('bool')})::int`,
      () => `strpos(${inner('text')}, 'b')`,
      () => `floor(${inner(random.pick(['num', 'float'] as const))})::int`,
      () => `num_nulls(${inner('text')}, ${inner('int')}, ${inner('date')})`,
      () =>
        `(SELECT count(*) FROM unnest(${inner('ints')}) AS u (u) WHERE u > ${this.column(scope, 'int')})::int`,
    ]
  }

  /** A whole row. */
  #rows(scope: Scope): Makers {
    const source = this.#maker.random.pickAny(
      scope.sources.filter(({ identity }) => identity.length > 0),
    )
    return source === undefined ? [] : [() => `to_jsonb(${source.alias})`]
  }

  #texts(scope: Scope, inner: (kind?: Kind) => string): Makers {
    const { random } = this.#maker
    const zone = random.pick(['UTC', 'America/New_York', 'Asia/Kolkata'])
    return [
      () =>
        `${random.pick(['upper', 'lower', 'initcap', 'reverse', 'trim', 'md5', 'quote_literal'])}(${inner()})`,
      () => `(${inner()} || ${random.pick(["'x'", inner()])})`,
      () => `(${inner()} || ${this.column(scope, random.pick(['int', 'date', 'bool'] as const))})`,
      () => `substr(${inner()}, 1, ${random.pick(['1', '2'])})`,
      () => `left(${inner()}, ${random.pick(['-1', '2'])})`,
      () => `replace(${inner()}, 'a', 'o')`,
      () =>
        `(${inner(random.pick(['int', 'num', 'date', 'bool', 'uuid', 'time', 'ints', 'json', 'float'] as const))})::text`,
      () => `concat(${inner()}, ${inner('int')}, '!')`,
      () => `concat_ws('-', ${inner()}, ${inner('date')}, ${inner()})`,
      () => `format('%s/%L', ${inner()}, ${inner('int')})`,
      () => `to_char(${inner('date')}, 'YYYY-MM Dy')`,
      () => `to_char(${inner('num')}, 'FM999990.00')`,
      () => `to_char(${inner('time')} AT TIME ZONE '${zone}', 'HH24:MI')`,
      () => `(${inner('json')} ->> 'b')`,
      () => `(${inner('json')} #>> '{}')`,
      () => `array_to_string(${inner('texts')}, ',', '*')`,
      () => `(${inner('texts')})[1]`,
      () => `split_part(${inner()}, ' ', 1)`,
      () => `regexp_replace(${inner()}, '[aA]', '<\\&>', 'g')`,
      () => `rpad(${inner()}, 4, '.')`,
      () => `(${inner()} COLLATE "default")`,
    ]
  }

  #numbers(kind: Kind, inner: (kind?: Kind) => string): Makers {
    const { random } = this.#maker
    if (kind === 'float') {
      return [
        () => `(${inner('int')} * 0.5::float8)`,
        () => `(${inner()} + ${inner()})`,
        () => `${inner('int')}::float8`,
      ]
    }
    if (kind === 'deep')
      return [() => `(${inner()} + ${inner()})`, () => `(${inner('int')})::numeric(60,20)`]
    return [
      () => `(${inner()} + ${inner()})`,
      () => `round(${inner()} * 1.5, 2)`,
      () => `round(${inner()} / 3, 2)`,
      () => `(${inner('int')})::numeric(10,2)`,
      () => `round((${inner('float')})::numeric, 2)`,
      () => `greatest(${inner()}, ${random.pick(['1.25', inner()])})`,
    ]
  }

  #times(kind: Kind, inner: (kind?: Kind) => string): Makers {
    const { random } = this.#maker
    if (kind === 'date') {
      return [
        () => `(${inner()} + ${random.pick(['1', '30'])})`,
        () => `date_trunc('month', ${inner()})::date`,
        () => `(${inner('time')} AT TIME ZONE 'UTC')::date`,
        () => `(${inner('time')})::date`,
        () => `least(${inner()}, ${inner()})`,
        () => `(${inner()} + interval '1 month')::date`,
      ]
    }
    return [
      () => `(${inner()} + interval '${random.pick(['1 day', '90 minutes', '1 month'])}')`,
      () => `date_trunc('${random.pick(['day', 'hour', 'month'])}', ${inner()})`,
      () => `date_trunc('day', ${inner()}, 'Asia/Tokyo')`,
      () => `(${inner('date')})::timestamptz`,
      () => `((${inner()} AT TIME ZONE 'UTC') AT TIME ZONE 'America/New_York')`,
      () => `to_timestamp(${inner('int')} * 3600)`,
    ]
  }

  #arrays(scope: Scope, kind: 'ints' | 'texts', inner: (kind?: Kind) => string): Makers {
    const { random } = this.#maker
    const element = kind === 'ints' ? 'int' : 'text'
    const type = kind === 'ints' ? 'int' : 'text'
    return [
      () => `ARRAY[${inner(element)}, ${inner(element)}]::${type}[]`,
      () => `array_append(${inner()}, (${inner(element)})::${type})`,
      () => `(${inner()} || ${inner()})`,
      () => `array_remove(${inner()}, (${this.column(scope, element)})::${type})`,
      () => `(${inner()})[1:2]`,
      () =>
        `ARRAY(SELECT (l)::${type} FROM (${this.#maker.list(scope, element)}) AS l (l) ORDER BY 1)`,
      () => (random.chance(50) ? `array_cat(${inner()}, ${inner()})` : `trim_array(${inner()}, 0)`),
    ]
  }
}

function jsons(inner: (kind?: Kind) => string): Makers {
  return [
    () => `to_jsonb(${inner('text')})`,
    () => `jsonb_build_object('a', ${inner('int')}, 'b', ${inner('text')})`,
    () => `jsonb_build_array(${inner('int')}, ${inner('bool')}, ${inner('date')})`,
    () => `(${inner()} -> 'a')`,
    () => `(${inner()} -> 0)`,
    () => `(${inner()} || '{"z": 9}')`,
    () => `jsonb_strip_nulls(${inner()})`,
    () => `to_jsonb(${inner('ints')})`,
  ]
}
