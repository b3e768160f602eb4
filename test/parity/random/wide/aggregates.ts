import { anyKind, type Kind } from './kinds.ts'
import type { Maker } from './maker.ts'
import { identityOf, type Scope } from './scope.ts'
import { jsonAggregates } from './sql-json.ts'

export type Aggregate = {
  readonly sql: string
  readonly kind: Kind
  /** How far its value is determined: elements in any order, or digits that depend on the order of the additions. */
  readonly freedom: 'none' | 'elements' | 'digits'
}

const MIN_MAX: readonly Kind[] = [
  'int',
  'num',
  'deep',
  'text',
  'ctext',
  'date',
  'time',
  'float',
  'ints',
  'texts',
  'interval',
  'inet',
  'char',
  'bytes',
]

/** Calls of aggregates. `isSafe`: the result is used inside the statement, so nothing of it may be left open. */
export class Aggregates {
  readonly #maker: Maker

  constructor(maker: Maker) {
    this.#maker = maker
  }

  make(scope: Scope, isSafe: boolean): Aggregate {
    const { random } = this.#maker
    if (random.chance(30)) return { sql: this.count(scope), kind: 'int', freedom: 'none' }
    if (random.chance(45)) {
      const kind = random.pick(MIN_MAX)
      return { sql: this.ofKind(scope, kind), kind, freedom: 'none' }
    }
    return isSafe || random.chance(60)
      ? random.make(this.#exact(scope, isSafe))
      : random.make(this.#free(scope))
  }

  /** An aggregate with a value of the kind. */
  ofKind(scope: Scope, kind: Kind): string {
    const { random } = this.#maker
    const value = () => this.#argument(scope, kind)
    switch (kind) {
      case 'int':
        return random.make([
          () => this.count(scope),
          () => `(sum(${this.#distinct()}${value()})${this.#filter(scope)})::int`,
          () => `${random.pick(['min', 'max'])}(${value()})${this.#filter(scope)}`,
          () => `bit_${random.pick(['and', 'or', 'xor'])}((${value()})::int)`,
        ])
      case 'bool':
        return `${random.pick(['bool_and', 'bool_or', 'every'])}(${value()})${this.#filter(scope)}`
      case 'num':
        return random.make([
          () => `round(avg(${value()})${this.#filter(scope)}, 2)`,
          () => `sum(${this.#distinct()}${value()})`,
          () => `round(stddev(${this.#argument(scope, 'int')}), 2)`,
        ])
      case 'json':
        return random.make([
          () => `(array_agg(${value()} ORDER BY ${this.#order(scope)}))[1]`,
          ...this.#json(scope),
        ])
      case 'range':
      case 'bits':
        return `(array_agg(${value()} ORDER BY ${this.#order(scope)}))[1]`
      case 'uuid':
        return `(array_agg(DISTINCT ${value()}))[1]`
      case 'ctext':
        return `${random.pick(['min', 'max'])}(${this.#maker.column(scope, 'ctext')})${this.#filter(scope)}`
      default:
        return `${random.pick(['min', 'max'])}(${value()})${this.#filter(scope)}`
    }
  }

  count(scope: Scope): string {
    const { random } = this.#maker
    const kind = anyKind(random)
    return random.make([
      () => `count(*)${this.#filter(scope)}`,
      () => `count(${this.#argument(scope, kind)})${this.#filter(scope)}`,
      () => `count(DISTINCT ${this.#argument(scope, kind)})${this.#filter(scope)}`,
      () => `count(DISTINCT (${this.#argument(scope, kind)}, ${this.#maker.column(scope, 'int')}))`,
    ])
  }

  #json(scope: Scope): readonly (() => string)[] {
    return jsonAggregates(
      (kind) => this.#argument(scope, kind),
      () => this.#order(scope),
      () => this.#filter(scope),
    )
  }

  #argument(scope: Scope, kind: Kind): string {
    return this.#maker.value(scope, kind, this.#maker.random.pick([0, 0, 1]))
  }

  #distinct(): string {
    return this.#maker.random.chance(25) ? 'DISTINCT ' : ''
  }

  #filter(scope: Scope): string {
    return this.#maker.random.chance(20) ? ` FILTER (WHERE ${this.#maker.condition(scope, 0)})` : ''
  }

  /** Total, but for rows that are the same. */
  #order(scope: Scope): string {
    const { random } = this.#maker
    const first = random.chance(60) ? [`${this.#maker.column(scope, 'text')} DESC NULLS LAST`] : []
    return [...first, ...identityOf(scope)].join(', ')
  }

  #exact(scope: Scope, isSafe: boolean): readonly (() => Aggregate)[] {
    const { random } = this.#maker
    const of = (kind: Kind) => this.#argument(scope, kind)
    const exact = (sql: string, kind: Kind): Aggregate => ({ sql, kind, freedom: 'none' })
    const raw: readonly (() => Aggregate)[] = [
      () => exact(`sum(${this.#distinct()}${of('int')})${this.#filter(scope)}`, 'num'),
      () =>
        exact(
          `avg(${this.#distinct()}${of(random.pick(['int', 'num', 'deep'] as const))})${this.#filter(scope)}`,
          'num',
        ),
      () =>
        exact(
          `${random.pick(['stddev', 'stddev_pop', 'var_samp', 'variance', 'var_pop'])}(${of(random.pick(['int', 'num'] as const))})`,
          'num',
        ),
      () => exact(`sum(${of('float')})`, 'float'),
      () => exact(`avg(${of('float')})`, 'float'),
      () => exact(`json_agg(${of('text')} ORDER BY ${this.#order(scope)})`, 'bool'),
      () => exact(`jsonb_agg(${of('int')} ORDER BY ${this.#order(scope)})`, 'bool'),
      () =>
        exact(
          `json_object_agg(coalesce(${of('text')}, '-'), ${of('int')} ORDER BY ${this.#order(scope)})`,
          'bool',
        ),
      () => exact(`percentile_cont(0.5) WITHIN GROUP (ORDER BY ${of('int')})`, 'float'),
      () =>
        exact(`percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY ${of('num')})`, 'bool'),
      () =>
        exact(`rank(3) WITHIN GROUP (ORDER BY ${this.#maker.column(scope, 'int')}::int)`, 'int'),
      () => exact(`sum((${of('time')} - TIMESTAMPTZ '2025-01-01 00:00:00+00'))`, 'bool'),
    ]
    const safe: readonly (() => Aggregate)[] = [
      () => exact(`string_agg(${of('text')}, ',' ORDER BY ${this.#order(scope)})`, 'text'),
      () => exact(`string_agg(DISTINCT ${of('text')}, '/')`, 'text'),
      () => exact(`array_agg((${of('int')})::int ORDER BY ${this.#order(scope)})`, 'ints'),
      () => exact(`array_agg(DISTINCT (${of('text')})::text)${this.#filter(scope)}`, 'texts'),
      () => exact(`percentile_disc(0.5) WITHIN GROUP (ORDER BY ${of('text')})`, 'text'),
      () => exact(`mode() WITHIN GROUP (ORDER BY ${of('int')})`, 'int'),
      () => exact(`jsonb_agg(${of('int')} ORDER BY ${this.#order(scope)})`, 'json'),
      () => exact(random.make(this.#json(scope)), 'json'),
      () => exact(`(${this.ofKind(scope, 'int')} + ${this.count(scope)})`, 'int'),
      () => exact(`coalesce(${this.ofKind(scope, 'text')}, '?')`, 'text'),
      () =>
        exact(`CASE WHEN ${this.count(scope)} > 2 THEN ${this.ofKind(scope, 'num')} END`, 'num'),
      () => exact(`cardinality(array_agg(${of('text')}))`, 'int'),
      () => exact(`length(string_agg(${of('text')}, ''))`, 'int'),
    ]
    return isSafe ? safe : [...raw, ...safe]
  }

  #free(scope: Scope): readonly (() => Aggregate)[] {
    const { random } = this.#maker
    const of = (kind: Kind) => this.#argument(scope, kind)
    const regression = [
      'corr',
      'covar_pop',
      'covar_samp',
      'regr_slope',
      'regr_intercept',
      'regr_r2',
      'regr_avgx',
      'regr_sxy',
    ]
    const bag = (sql: string): Aggregate => ({ sql, kind: 'bool', freedom: 'elements' })
    return [
      () =>
        bag(
          `array_agg(${of(random.pick(['int', 'text', 'date', 'uuid', 'inet', 'interval'] as const))})${this.#filter(scope)}`,
        ),
      () => bag(`string_agg(${of('text')}, ',')`),
      () => bag(`json_agg(${of(random.pick(['int', 'text'] as const))})`),
      () => bag(`jsonb_agg(${of('int')})`),
      () => ({
        sql: `${random.pick(regression)}(${of('int')}, ${of('int')})`,
        kind: 'bool',
        freedom: 'digits',
      }),
      () => ({
        sql: `${random.pick(['stddev', 'variance', 'var_pop'])}(${of('float')})`,
        kind: 'bool',
        freedom: 'digits',
      }),
      () => ({ sql: `regr_count(${of('int')}, ${of('int')})`, kind: 'int', freedom: 'none' }),
    ]
  }
}
